// SPDX-License-Identifier: Apache-2.0

// Package gcstest holds package gcs to its contract with a server that others
// wrote, fake-gcs-server. It is a module of its own, so that nothing else needs
// that server's dependencies: make gcs-contract runs it.
package gcstest
