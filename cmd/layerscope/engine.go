// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/engine"
	"github.com/layerscope/layerscope/engine/scorehttp"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/memprof"
)

// engineFlags choose the model and how it runs.
type engineFlags struct {
	model, tokenizer string
	workers          int
	memory           bytesValue
	maxItems, maxLen int
	inject           string
}

func (f *engineFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.model, "model", "m", "", "`MODEL`: a Hugging Face directory, a llama2.c .bin, or random:SPEC such as random:qwen3-0.6b (default the embedded one)")
	flags.StringVar(&f.tokenizer, "tokenizer", "", "tokenizer `FILE` (default beside the model)")
	flags.IntVar(&f.workers, "workers", 0, "cores `N` to use (default all)")
	flags.Var(&f.memory, "memory-limit", "device memory to use at most, such as 2GB (default no limit)")
	flags.IntVar(&f.maxItems, "max-items", 0, "items `N` of a request at most (default 512)")
	flags.IntVar(&f.maxLen, "max-tokens", 0, "tokens `N` of query and one item at most (default 8192, or what the model allows)")
	flags.StringVar(&f.inject, "inject", "", "`FAULTS` for tests and teaching, such as slow:layer_3/mlp=1.5x,leak:layer_2=4KiB,stall:extend=5ms,recompile:prefill=2")
}

// options turns the flags into the engine's.
func (f *engineFlags) options() (engine.Options, error) {
	for _, n := range []struct {
		name  string
		value int
	}{{"workers", f.workers}, {"max-items", f.maxItems}, {"max-tokens", f.maxLen}} {
		if n.value < 0 {
			return engine.Options{}, usagef("", "--%s %d: want 1 or more, or 0 for the default", n.name, n.value)
		}
	}
	inject, err := engine.ParseInjection(f.inject)
	if err != nil {
		return engine.Options{}, usagef("", "--inject: %v", err)
	}
	return engine.Options{
		Model: f.model, Tokenizer: f.tokenizer, Workers: f.workers, MemoryLimit: int64(f.memory), MaxItems: f.maxItems, MaxSeqLen: f.maxLen, Inject: inject,
	}, nil
}

// modelError adds what a model may be to the error of one that isn't there.
func modelError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &hintedError{err, "a model is a Hugging Face directory, a llama2.c .bin or random:SPEC such as random:qwen3-0.6b; without one it is the embedded one"}
	}
	return err
}

// A memoryLog keeps snapshots and writes them as reports and profiles.
type memoryLog struct {
	dir     string
	reports []*memprof.Report
}

func (m *memoryLog) add(s engine.MemorySnapshot) {
	r := s.Report()
	r.Step = int64(len(m.reports))
	m.reports = append(m.reports, r)
}

// write leaves, for each snapshot, a pprof profile and a JSON report, and one
// summary. Of several snapshots of one name the last one stays.
func (m *memoryLog) write() error {
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return err
	}
	for _, r := range m.reports {
		base := filepath.Join(m.dir, r.Name())
		if err := writeFile(base+".prof", func(f *os.File) error { return r.Profile.Write(f) }); err != nil {
			return err
		}
		if err := writeFile(base+".json", func(f *os.File) error { return r.JSON(f) }); err != nil {
			return err
		}
	}
	return writeFile(filepath.Join(m.dir, "memory_summary.json"), func(f *os.File) error { return memprof.Summary(f, m.reports) })
}

// writeFile creates a file and fills it.
func writeFile(path string, fill func(*os.File) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
}

// recorded runs f with a recorder on and writes the capture: path is a file or,
// ending in a slash, a directory.
func recorded(e *engine.Engine, path string, compat bool, f func() error) error {
	rec := trace.NewRecorder(trace.RecorderOptions{Ring: 1 << 16})
	e.SetTracer(engine.Record(rec))
	defer e.SetTracer(nil)
	if err := rec.Start(); err != nil {
		return err
	}
	err := f()
	recording, stopErr := rec.Stop()
	if err = errors.Join(err, stopErr); err != nil {
		return err
	}
	defer recording.Close()
	dir, file := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	written, err := scorehttp.WriteCapture(recording, dir, trace.XSpaceOptions{XProfCompat: compat, Host: captureHost(file)})
	if err != nil {
		return err
	}
	if file != "" && filepath.Base(written) != file {
		return os.Rename(written, path)
	}
	return nil
}

// captureHost is the host that a capture's file name states.
func captureHost(file string) string {
	const ext = ".xplane.pb"
	if len(file) > len(ext) && file[len(file)-len(ext):] == ext {
		return file[:len(file)-len(ext)]
	}
	return ""
}

// describeModel says in a line what is loaded.
func describeModel(e *engine.Engine) string {
	in := e.Info()
	s := fmt.Sprintf("%s: %s, %d layers, %d parameters, %s kernels on %d cores", in.Model, in.Arch, in.Layers, in.Parameters, in.Kernels, in.Workers)
	if in.Random {
		s += "; weights are random: scores mean nothing"
	}
	if in.Injected != "" {
		s += "; injected: " + in.Injected
	}
	return s
}
