// SPDX-License-Identifier: Apache-2.0

// Package chromejson reads Trace Event JSON, the format of JAX's and XLA's
// trace.json, PyTorch's Kineto and Chrome's own tracing, as a stream of records.
//
// [Reader.Next] returns one event at a time: phase, name, category, times in
// integer picoseconds, process and thread, and the raw bytes of everything
// else. Nothing is decoded that is not asked for and nothing is allocated per
// event, so a file of any size, also one of a single line, is read in a bounded
// window. The package knows bytes only: it pairs no begin with no end, and joins
// no flow.
//
//	rd := chromejson.NewReader(file, chromejson.Options{Want: []string{"tf_op"}})
//	for {
//		ev, err := rd.Next()
//		if err == io.EOF {
//			break
//		}
//		if err != nil {
//			return err
//		}
//		busy += ev.Dur
//	}
//	for _, p := range rd.Problems() { … }
//
// # What is accepted
//
// Object form ({"traceEvents":[…], …}, the other members in any order and
// number) and array form, with or without the closing bracket; a byte-order
// mark; commas missing, doubled or trailing; empty objects; raw control bytes and
// invalid UTF-8 in strings; numbers in quotes; any phase letter; any key order.
// A damaged event is skipped and counted as a [Problem]; a file that ends early
// yields each whole event and one Problem; only an unreadable structure or input
// is an error.
package chromejson
