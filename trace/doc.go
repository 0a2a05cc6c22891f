// SPDX-License-Identifier: Apache-2.0

// Package trace reads captures of profilers into one model: devices, tracks,
// ops, and events in integer picoseconds.
//
// [Open] takes an XSpace (*.xplane.pb), the Chrome JSON that JAX, XLA and PyTorch
// write, Perfetto's track events, speedscope, XProf's tables, the package's own
// text form, all of them plain or compressed, or a profile directory with several
// hosts. The content decides on
// the format. What a file lacks or what is broken in it becomes a [Finding];
// only files that cannot be followed at all are errors.
//
// Events are not kept: a [Track] is read in batches of columns, as often as
// wanted, from the file itself where it is an uncompressed XSpace. So the same
// analysis runs on 10 kB and on 10 GB.
//
// # Clocks
//
// [Time] counts picoseconds from [Trace.Origin]. On TPU every device event has
// two times, which must never be mixed in one sum: its own clock's, taken by
// default, and one normalised to the host's, taken with [EventClock]. Times of
// different devices cannot be compared on the first.
//
//	t, err := trace.Open("host.xplane.pb", trace.Options{})
//	if err != nil {
//		return err
//	}
//	defer t.Close()
//	for _, track := range t.Tracks {
//		var busy trace.Duration
//		for batch, err := range track.Batches() {
//			if err != nil {
//				return err
//			}
//			for _, d := range batch.Dur {
//				busy += d
//			}
//		}
//		fmt.Println(track.Name, busy)
//	}
package trace
