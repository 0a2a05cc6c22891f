// SPDX-License-Identifier: Apache-2.0

package engine

import "github.com/layerscope/layerscope/engine/internal/arena"

// Tracer receives what the engine does while it does it. Names and operations
// are registered once and then known by number, tracks are explicit handles
// with one writer at a time: a recorder can keep a span at two clock reads and
// no lock. Name, Op, Track and Device are called under the engine's lock, Count
// and Memory from any goroutine, Memory under the allocator's lock.
type Tracer interface {
	// Name registers a span's or attribute's name; the same name may come
	// again and gets the same number.
	Name(name string) uint32
	// Op registers a device operation; its number is for device tracks.
	Op(op OpInfo) uint32
	// Track makes a lane of host spans.
	Track(name string) TraceTrack
	// Device makes a lane of a device: line is "XLA Ops" or "XLA Modules".
	Device(device, line string) TraceTrack
	// Count records a counter's new value.
	Count(name uint32, value int64)
	// Memory records one allocation or free on the device.
	Memory(ev MemoryEvent)
	// Metadata labels the capture: model, kernels, injected faults.
	Metadata(key, value string)
}

// TraceTrack is a lane of nested spans with one writer at a time.
type TraceTrack interface {
	Begin(id uint32)
	End()
	// Int and Text add an attribute to the innermost open span.
	Int(key uint32, value int64)
	Text(key uint32, value string)
}

// OpInfo is what holds for every execution of a device operation.
type OpInfo struct {
	Name     string // short and unique in its program: "layer_03/attention/qkv_proj"
	Scope    string // "score/prefill/layer_03/attention/qkv_proj"; a profiler's tf_op
	Category string // HLO category
	Program  string // module name
	Detail   string // shapes, as an HLO text would say
	Layer    int    // -1 outside of the layers
	FLOPs    int64
	Bytes    int64
}

// MemoryEvent is one allocation or free, with the allocator's figures after it.
type MemoryEvent = arena.Event
