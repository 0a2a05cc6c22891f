// SPDX-License-Identifier: Apache-2.0

// Write writes a generated XSpace to a file, for benchmarks of programs:
//
//	go run ./trace/internal/xspace/xspacegen/write -mb 128 host.xplane.pb
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
)

func main() {
	mb := flag.Int64("mb", 128, "size of the file, MiB")
	planes := flag.Int("planes", 4, "devices")
	hlo := flag.Int64("hlo", 0, "of them HLO metadata, KiB")
	host := flag.Int64("host", 0, "of them host threads, KiB")
	seed := flag.Uint64("seed", 1, "seed of its times")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "write: wanted the path of the file to write")
		os.Exit(2)
	}
	truth, err := write(flag.Arg(0), xspacegen.Config{Seed: *seed, Bytes: *mb << 20, Planes: *planes, HLO: *hlo << 10, Host: *host << 10})
	if err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
	fmt.Printf("%d bytes, %d events, %d op events, self time %d ps\n", truth.Bytes, truth.Events, truth.OpEvents, truth.SelfPs)
}

func write(path string, cfg xspacegen.Config) (xspacegen.Truth, error) {
	f, err := os.Create(path)
	if err != nil {
		return xspacegen.Truth{}, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	truth, err := xspacegen.Write(w, cfg)
	return truth, errors.Join(err, w.Flush(), f.Close())
}
