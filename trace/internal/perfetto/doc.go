// SPDX-License-Identifier: Apache-2.0

// Package perfetto reads and writes Perfetto traces (protobuf), as far as they
// hold track events: slices, instants, counters, states, flows.
//
// [Reader.Next] yields one record a packet: an event with its name, category,
// track and time resolved, a track's description, or one of a few others. The
// reader keeps the state of each packet sequence (interned strings, defaults,
// incremental clocks and counters), relates clocks by the snapshots in the file
// and opens compressed packets. Records come in the order of the file, which is
// not the order of time; begins are not paired with ends. Nothing is allocated
// per event and memory is bounded by the largest packet, the distinct strings
// and the number of sequences. The package knows no model.
//
//	rd := perfetto.NewReader(file, perfetto.Options{})
//	for {
//		kind, err := rd.Next()
//		if err == io.EOF {
//			break
//		}
//		if err != nil {
//			return err
//		}
//		if kind == perfetto.EventRecord && rd.Event.Type == perfetto.Begin {
//			slices++
//		}
//	}
//	for _, p := range rd.Problems() { … }
//
// # What is accepted
//
// Anything a protobuf parser accepts, and more: a packet that cannot be decoded
// is skipped and counted as a [Problem]; so is one that lost the state it needs;
// a cut file yields all whole packets. Only the outermost framing is an error,
// and only before the first packet; after it, it is a Problem.
package perfetto
