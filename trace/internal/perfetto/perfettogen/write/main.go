// SPDX-License-Identifier: Apache-2.0

// Write writes a generated Perfetto trace to a file, for benchmarks of programs:
//
//	go run ./trace/internal/perfetto/perfettogen/write -mb 128 trace.pftrace
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/layerscope/layerscope/trace/internal/perfetto/perfettogen"
)

func main() {
	mb := flag.Int64("mb", 128, "size of the file, MiB")
	seed := flag.Uint64("seed", 1, "seed of its times")
	devices := flag.Int("devices", 4, "devices with a line of ops each, interleaved")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "write: wanted the path of the file to write")
		os.Exit(2)
	}
	cfg := perfettogen.Config{Seed: *seed, Sequences: *devices, Devices: true, Chunk: 64, Annotated: true, Slices: 100_000}
	sample, err := perfettogen.Write(io.Discard, cfg)
	if err == nil {
		cfg.Slices = cfg.Slices*(*mb<<20)/sample.Bytes + 1
		sample, err = write(flag.Arg(0), cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
	fmt.Printf("%d bytes, %d packets, %d slices, self time %d ns\n", sample.Bytes, sample.Packets, sample.Slices, sample.SelfNs)
}

func write(path string, cfg perfettogen.Config) (perfettogen.Truth, error) {
	f, err := os.Create(path)
	if err != nil {
		return perfettogen.Truth{}, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	truth, err := perfettogen.Write(w, cfg)
	return truth, errors.Join(err, w.Flush(), f.Close())
}
