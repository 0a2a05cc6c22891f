// SPDX-License-Identifier: Apache-2.0

package trace

// A Clock selects the times of TPU device tracks.
type Clock uint8

// The clocks. On TPU every device event has two times: the device's own
// (stats device_offset_ps and device_duration_ps) and the host-normalised event
// time. They differ; sums of both kinds must never be mixed.
const (
	DeviceClock Clock = iota
	EventClock
)

// Options steer [Open]. The zero value reads everything with useful limits.
type Options struct {
	Clock Clock
	// HLO names files with HLO modules (proto or text) for captures that don't
	// carry them, such as Chrome JSON.
	HLO []string
	// MaxDecompressed bounds the bytes that a compressed input may expand to;
	// 0 means 64 GiB.
	MaxDecompressed int64
	// Devices limits what is read of an XSpace to the planes of devices for which
	// [Device.Is] is true of one of these names, and what their analysis needs. None,
	// or none that the file has, is all of them.
	Devices []string
	// HostThreads asks for the events of host threads even where Devices makes a
	// remote file be read in part.
	HostThreads bool
	// Hash computes the SHA-256 of each input file.
	Hash bool
	sum  string // of the file at hand
}
