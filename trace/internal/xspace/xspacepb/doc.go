// SPDX-License-Identifier: Apache-2.0

// Package xspacepb is the XSpace messages as generated code, the reference that
// tests and benchmarks of package xspace compare with. Nothing else imports it.
//
// The schema is built in gen.go and handed to protoc-gen-go, so that no protoc is
// needed to regenerate it.
package xspacepb

//go:generate go run gen.go
