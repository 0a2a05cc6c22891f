// SPDX-License-Identifier: Apache-2.0

// Write writes generated Trace Event JSON, compressed, to a file, for benchmarks of
// programs:
//
//	go run ./trace/internal/chromejson/chromejsongen/write -mb 100 host.trace.json.gz
package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/layerscope/layerscope/trace/internal/chromejson/chromejsongen"
)

func main() {
	mb := flag.Int64("mb", 100, "size of the compressed file, MiB, to a few percent")
	seed := flag.Uint64("seed", 1, "seed of its times")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "write: wanted the path of the file to write")
		os.Exit(2)
	}
	spec := chromejsongen.Spec{Seed: *seed, Events: 50_000}
	var packed counter
	_, err := write(&packed, spec)
	if err == nil {
		spec.Events = int(int64(spec.Events)*(*mb<<20)/int64(packed)) * 102 / 100
		err = toFile(flag.Arg(0), spec)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}

func toFile(path string, spec chromejsongen.Spec) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<20)
	sum, err := write(b, spec)
	if err := errors.Join(err, b.Flush(), f.Close()); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("%d bytes of %d bytes of JSON, %d events, %d complete ones of %d ps\n", info.Size(), sum.Bytes, sum.Events, sum.Complete, sum.Dur)
	return nil
}

func write(w io.Writer, spec chromejsongen.Spec) (chromejsongen.Summary, error) {
	z := gzip.NewWriter(w)
	sum, err := chromejsongen.Write(z, spec)
	return sum, errors.Join(err, z.Close())
}

// A counter counts the bytes written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
