// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"fmt"
	"math"
)

// ScanOptions says what a scan extracts. The zero value is offsets and durations
// of the event clock from timestamp 0.
type ScanOptions struct {
	// BaseNs is subtracted from each line's timestamp_ns before it becomes
	// picoseconds: Unix times in ps do not fit an int64.
	BaseNs int64
	// DeviceClock takes start and duration of an event from its stats
	// device_offset_ps and device_duration_ps when it has both; the others keep
	// their event times, and the flag OnDevice tells them apart.
	DeviceClock bool
	// Want names stats to extract per event, in the order of Batch.Values. Of a
	// stat that an event carries twice the first is taken. At most 250.
	Want []string
	// WantFor, if not nil, limits Want to events whose metadata index it holds true
	// for; the stats of other events may be left out, and then cost nothing.
	WantFor []bool
	// Strict verifies every field of every event and honours fields that stand
	// behind the stats, at 3 times the cost. Without it the rest of an event
	// is jumped over once its id, times and wanted stats are known, which is the
	// same for all that protobuf libraries write.
	Strict bool
	// BatchEvents is how many events a batch holds at most; 0 means 4096, which is
	// also the largest.
	BatchEvents int
	// WindowBytes is how much of the file is in memory at a time; 0 means 256 KiB.
	// Larger events enlarge it.
	WindowBytes int
}

// Stats of TPU op events that hold their times on the device clock.
const (
	deviceOffsetName   = "device_offset_ps"
	deviceDurationName = "device_duration_ps"
)

// A Flag tells how the times of an event came about.
type Flag uint8

// Flags of an event.
const (
	OnDevice   Flag = 1 << iota // times are of the device clock
	Aggregated                  // num_occurrences instead of an offset: Start is the line's
)

// A Batch is a stretch of a line's events as columns of equal length, in file
// order. It is reused: nothing in it may be kept after yield returns.
type Batch struct {
	First       int64    // number of its first event in the scan
	Meta        []uint32 // index of the event's metadata, see Plane.Event
	Start       []int64  // ps: on the device clock as it is, else since BaseNs
	Dur         []int64  // ps; 0 when unset
	Flags       []Flag
	Occurrences []int64  // nil unless an event of the batch is aggregated; 0 for those that are not
	Values      []Column // one per ScanOptions.Want
	Found       bool     // some event carries a wanted stat

	win []byte // what string values point into
	pl  *Plane
}

// A Column holds one wanted stat of a batch: Kind NoValue where an event does not
// carry it. Bits are as in [Stat], but a Ref is the plane's stat index (see
// Plane.StatName, Batch.Text), and a String or Bytes value is read with
// Batch.Bytes.
type Column struct {
	Kind []Kind
	Bits []uint64
}

// Bytes returns the String or Bytes value of wanted stat c of event i, valid
// until yield returns, or nil.
func (b *Batch) Bytes(c, i int) []byte {
	col := &b.Values[c]
	if k := col.Kind[i]; k != String && k != Bytes {
		return nil
	}
	lo, n := col.Bits[i]>>32, col.Bits[i]&math.MaxUint32
	return b.win[lo : lo+n : lo+n]
}

// Text returns a string value or the string a reference stands for, "" for other
// kinds. The result may be kept; only a String is copied for it.
func (b *Batch) Text(c, i int) string {
	if b.Values[c].Kind[i] == Ref {
		return b.pl.StatName(b.Values[c].Bits[i])
	}
	return string(b.Bytes(c, i))
}

// Scan streams the line's events to yield in file order, batch by batch, until
// they end or yield returns false. It loads the plane. Scans are independent of
// each other, also those of one line.
//
// Damaged events are left out and counted as problems of the line. The error is
// one of reading, or [ErrLateTimestamp].
func (ln *Line) Scan(opts ScanOptions, yield func(*Batch) bool) error {
	if err := ln.pl.Load(); err != nil {
		return err
	}
	if len(opts.Want) > maxWant {
		return fmt.Errorf("%d stats wanted of a line, at most %d can be", len(opts.Want), maxWant)
	}
	sc := newScanner(ln, opts)
	defer sc.release()
	sc.batch()
	for i := range ln.Sections() {
		if err := sc.section(i, yield); err != nil || sc.stopped {
			return err
		}
	}
	if sc.flush(yield) {
		ln.probs.replace(sc.probs.snapshot())
	}
	return nil
}

// Count returns how many events the line has, by hopping from length to length:
// far faster than a scan, and exact except that a scan leaves out damaged events.
// It fills what Display and DurationPs return.
func (ln *Line) Count() (n int64, err error) {
	sc := newScanner(ln, ScanOptions{})
	defer sc.release()
	sc.mode = modeCount
	for i := range ln.Sections() {
		if err := sc.countSection(i); err != nil {
			return 0, err
		}
	}
	return sc.total, nil
}
