// SPDX-License-Identifier: Apache-2.0

// Package arena allocates the engine's tensors outside the Go heap and keeps
// the books that an accelerator's allocator would: bytes in use, peak, limit,
// largest allocation, fragmentation, and who holds what. Memory reports and
// allocator events in a trace come from here, to the byte.
//
// Memory is mapped in regions (huge pages where the system has them), cut into
// blocks by best fit, and merged with its neighbours when freed. Freed memory
// stays mapped and is used again first: on a virtual machine a fresh 4 KiB
// page costs 15-20 µs, more than the arithmetic done on it. Contents of a new
// buffer are undefined.
//
//	a := arena.New(arena.Options{Limit: 2 << 30})
//	defer a.Close() // an error lists what was not freed
//	buf, err := a.Alloc(4*tokens*dim, arena.Tag{Scope: "score/prefill/layer_03/mlp", Kind: arena.Activations})
//	x := buf.Floats()
//	…
//	buf.Free()
//
// Built with the tag invariants, the arena fills new buffers with NaN, poisons
// freed memory and looks for writes to it and past a buffer's end.
package arena
