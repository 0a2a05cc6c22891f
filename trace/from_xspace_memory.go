// SPDX-License-Identifier: Apache-2.0

package trace

// An Alloc is one event of a memory allocator: a MemoryAllocation or a
// MemoryDeallocation, with the state of the allocator after it. Bytes are bytes.
type Alloc struct {
	Allocator string // "GPU_0_bfc"; on TPU the device's ordinal: "0"
	Host      string
	// Time is where XProf places the event: its offset within its line.
	Time Time
	Free bool

	Reserved, Allocated, Available int64 // stack, heap, left
	Peak                           int64 // heap, since the process began
	Fragmentation                  float64

	Requested, Bytes int64 // asked for, and taken
	Addr             uint64
	Scope            string // scope path of the program that asked; may be empty
	Region           string // "temp", "output", …
	DataType, Shape  string
	Step             int64 // group id of the event's step; -1 = unknown
}
