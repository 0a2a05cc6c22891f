// SPDX-License-Identifier: Apache-2.0

// Package ring carries fixed-size records from one goroutine, which must never
// wait, to another: a lock-free ring with one writer and one reader, and the
// log into which the reader packs what it takes out, in memory and, beyond a
// limit, in a temporary file.
package ring
