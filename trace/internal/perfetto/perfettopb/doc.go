// SPDX-License-Identifier: Apache-2.0

// Package perfettopb is the part of Perfetto's trace messages that package
// perfetto reads and writes, as generated code: the reference that its tests and
// benchmarks compare with. Nothing else imports it.
//
// The schema is perfetto.proto in this folder, cut down to the fields that are
// used, with the names and numbers of the original (see NOTICE). gen.go reads it
// and runs protoc-gen-go, so that no protoc is needed.
package perfettopb

//go:generate go run gen.go
