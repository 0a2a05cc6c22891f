// SPDX-License-Identifier: Apache-2.0

package trace

// A Time is an instant in picoseconds since the trace's own origin, whose
// Unix time is [Trace.Origin]. Unix picoseconds don't fit an int64 (1.8e21 >
// 9.2e18); relative ones last 106 days.
//
// Times of a device track taken with [DeviceClock] are of that device's clock:
// compare them with other times of the same device only.
type Time int64

// A Duration is a length of time in picoseconds.
type Duration int64

// Units of Duration.
const (
	Nanosecond  Duration = 1_000
	Microsecond          = 1_000 * Nanosecond
	Millisecond          = 1_000 * Microsecond
	Second               = 1_000 * Millisecond
)

// Sub returns t − u.
func (t Time) Sub(u Time) Duration { return Duration(t - u) }

// Add returns t + d.
func (t Time) Add(d Duration) Time { return t + Time(d) }
