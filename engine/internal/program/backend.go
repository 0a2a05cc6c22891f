// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"

	"github.com/layerscope/layerscope/engine/internal/arena"
)

// Backend compiles and executes programs on one device. Execute is called by
// one goroutine at a time.
type Backend interface {
	// Name is the device's in traces, such as "/device:CPU:0".
	Name() string
	// Compile prepares a program. What it costs is the caller's to report.
	Compile(p *Program) (Executable, error)
	// NewCache makes room for the keys and values of a prefix.
	NewCache(scope string, tokens int) (Cache, error)
	// MemStats is the device's allocator, Live its live buffers.
	MemStats() arena.Stats
	Live() []arena.Record
	// Close gives everything back; an error lists leaked buffers.
	Close() error
}

// Executable is a compiled program.
type Executable interface {
	Program() *Program
	// Execute runs the program and returns log-probabilities, row after row.
	// It stops between segments when ctx is done. rec may be nil.
	Execute(ctx context.Context, in Inputs, rec Recorder) ([]float32, error)
	Release()
}

// Recorder hears of every segment as it begins and ends. The pass's own
// goroutine calls it.
type Recorder interface {
	Begin(i int)
	End(i int)
}
