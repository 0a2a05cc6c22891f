// SPDX-License-Identifier: Apache-2.0

// Package xspace turns the bytes of an XSpace (*.xplane.pb, the file of the JAX
// and XLA profilers) into wire records and back: planes, lines, events and
// stats as the protocol buffer has them, with no opinion on what they mean.
//
// Reading has two phases, because on the wire a plane's events come before the
// names they refer to. [Index] walks tags and lengths with ReadAt and never
// looks at an event; [Plane.Load] then decodes the metadata of one plane, and
// [Line.Scan] streams the events of one line in batches of columns. Lines are
// independent: scan them from as many goroutines as there are cores.
//
// Offsets are int64 throughout, so files beyond 2 and 4 GiB are read in the same
// bounded memory: a window per running scan and the metadata of loaded planes.
//
// Damage is graded. An event that cannot be decoded is skipped and counted as a
// [Problem], a file that stops early keeps every whole event, and a file whose
// outermost framing is broken is a [FramingError] with the offset.
//
// Note: mmap lost by 4-5 times to read() into a reused buffer where page faults
// are dear (virtual machines), and the protobuf library, with objects for every
// event and stat, by 40 times; see BenchmarkScan.
package xspace
