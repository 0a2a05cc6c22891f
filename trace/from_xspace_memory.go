// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// An Alloc is one event of a memory allocator: a MemoryAllocation or a
// MemoryDeallocation, with the state of the allocator after it. Bytes are bytes.
type Alloc struct {
	Allocator string // "GPU_0_bfc"; on TPU the device's ordinal: "0"
	Host      string
	Time      Time
	// InLine is the time from the start of the event's line, which is how XProf
	// orders allocations, whatever line they are on.
	InLine Duration
	Free   bool

	Reserved, Allocated, Available int64 // stack, heap, left
	Peak                           int64 // heap, since the process began
	Fragmentation                  float64

	Requested, Bytes int64 // asked for, and taken
	Addr             uint64
	Scope            string // scope path of the program that asked; may be empty
	Region           string // "temp", "output", …
	DataType         int64  // TensorFlow's enumeration; 0 = not stated
	Shape            string
	Step             int64 // group id of the event's step; -1 = not stated
}

// allocStats are the stats of allocator events, in the order of allocColumns.
var allocStats = []string{
	"allocator_name", "device_ordinal", "index_on_host", "bytes_reserved", "bytes_allocated", "bytes_available",
	"fragmentation", "peak_bytes_in_use", "requested_bytes", "allocation_bytes", "addr", "tf_op", "region_type",
	"data_type", "shape", "tensor_shapes", "group_id",
}

const (
	allocName = iota
	allocOrdinal
	allocIndex
	allocReserved
	allocAllocated
	allocAvailable
	allocFragmentation
	allocPeak
	allocRequested
	allocBytes
	allocAddr
	allocScope
	allocRegion
	allocDataType
	allocShape
	allocShapes
	allocGroup
)

// maxAllocs bounds the events kept: 200 bytes each. What follows is counted.
const maxAllocs = 4 << 20

// allocations reads the events of memory allocators, which lie between others
// on a host's threads. Their order is that of the file.
func (x *xspaceReader) allocations(pl *xspace.Plane) error {
	const none, alloc, free = 0, 1, 2
	kinds := make([]uint8, pl.NumEvents())
	found := false
	for i := range kinds {
		switch name, _ := pl.EventName(uint32(i)); name {
		case "MemoryAllocation":
			kinds[i], found = alloc, true
		case "MemoryDeallocation":
			kinds[i], found = free, true
		}
	}
	if !found {
		return nil
	}
	left := int64(0)
	for _, ln := range pl.Lines {
		began := Time(ln.TimestampNs-x.base) * Time(Nanosecond)
		err := scanAtOnce(ln, xspace.ScanOptions{BaseNs: x.base, Want: allocStats}, func(b *xspace.Batch) bool {
			for i, m := range b.Meta {
				if int(m) >= len(kinds) || kinds[m] == none {
					continue
				}
				if len(x.t.Allocs) >= maxAllocs {
					left++
					continue
				}
				a := allocOf(b, i)
				a.Host, a.Free, a.Time = x.host, kinds[m] == free, Time(b.Start[i])
				a.InLine = a.Time.Sub(began)
				x.t.Allocs = append(x.t.Allocs, a)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	if left > 0 {
		x.t.find(Finding{Code: "too-many-allocations", Severity: Warning, Count: left,
			Message: "allocator events beyond " + strconv.Itoa(maxAllocs) + " were left out", Hint: "peaks may be missed; capture a shorter window"})
	}
	return nil
}

func allocOf(b *xspace.Batch, i int) Alloc {
	num := func(c int) int64 {
		switch col := &b.Values[c]; col.Kind[i] {
		case xspace.Int, xspace.Uint:
			return int64(col.Bits[i])
		case xspace.Double:
			return int64(math.Float64frombits(col.Bits[i]))
		}
		return 0
	}
	a := Alloc{
		Reserved: num(allocReserved), Allocated: num(allocAllocated), Available: num(allocAvailable), Peak: num(allocPeak),
		Requested: num(allocRequested), Bytes: num(allocBytes), Addr: uint64(num(allocAddr)), DataType: num(allocDataType),
		Scope: b.Text(allocScope, i), Region: b.Text(allocRegion, i), Shape: b.Text(allocShape, i), Step: -1,
	}
	if a.Shape == "" {
		a.Shape = b.Text(allocShapes, i)
	}
	switch col := &b.Values[allocFragmentation]; col.Kind[i] {
	case xspace.Double:
		a.Fragmentation = math.Float64frombits(col.Bits[i])
	case xspace.Int, xspace.Uint: // files of 2020
		a.Fragmentation = float64(int64(col.Bits[i]))
	}
	if b.Values[allocGroup].Kind[i] != xspace.NoValue {
		a.Step = num(allocGroup)
	}
	for _, c := range []int{allocName, allocOrdinal, allocIndex} {
		switch b.Values[c].Kind[i] {
		case xspace.NoValue:
		case xspace.Int, xspace.Uint:
			a.Allocator = strconv.FormatInt(num(c), 10)
		default:
			a.Allocator = b.Text(c, i)
		}
	}
	return a
}
