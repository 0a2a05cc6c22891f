// SPDX-License-Identifier: Apache-2.0

// Package memprof reads and writes profiles of live memory in pprof's format:
// what jax.profiler.save_device_memory_profile saves, what layerscope's engine
// saves, and heap profiles of Go programs.
//
// A [Profile] is a list of live [Buffer] entries, each with the stack or the
// scope path that allocated it, its kind and its device. [Read] takes a file
// with or without gzip; [Profile.Write] writes what go tool pprof opens, with
// JAX's sample types and labels. A [Report] is the same at one point of a
// model's run as JSON or text: memory_report_*.json and memory_summary.json.
//
// A profile holds live buffers only: what a compiled program needs while it runs
// is in its HLO (package hlo), what an allocator did in a capture (package trace).
//
//	f, err := os.Open("memory.prof")
//	if err != nil {
//		return err
//	}
//	defer f.Close()
//	p, err := memprof.Read(f)
//	if err != nil {
//		return err
//	}
//	for _, b := range p.Buffers {
//		fmt.Println(b.Bytes, b.Kind, b.Device, b.Path())
//	}
package memprof
