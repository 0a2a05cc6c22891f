// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/memprof"
)

func (a *app) memory() *cobra.Command {
	in := inputFlags{clock: "device", steps: "all"}
	var out outputFlags
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "memory INPUT [NEW]",
		Short: "Who holds memory: live buffers, allocator peaks, programs' needs; growth and leaks",
		Long: `memory says who holds memory. Of a device memory profile (pprof: JAX's, layerscope's, a Go heap) it lists the live
buffers by place, kind and device; of a capture the peaks of its allocators, who was alive then, and what the compiler
planned for each program. A directory gives what lies in it.

With NEW it says what grew since INPUT. Several more buffers of one size from one place are a suspected leak; --strict
makes one end with 4. A directory with memory_before.prof and memory_after.prof is such a pair.`,
		Example: `  layerscope memory memory.prof
  layerscope memory before.prof after.prof
  layerscope memory host.xplane.pb --format json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := inputs(cmd, args); err != nil {
				return err
			}
			if len(args) > 2 {
				return usagef("one input, or one before and one after", "memory: %d inputs, wanted one or two", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			opts, err := f.options(cmd.Flags().Changed("top"))
			if err != nil {
				return err
			}
			return a.runMemory(cmd.Context(), args, &in, &out, opts, f.strict)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&in.hlo, "hlo", nil, "`FILE` with the HLO of a program (proto), for captures without; repeatable")
	flags.Var(&in.most, "max-decompressed", "read at most `SIZE` of what a compressed capture expands to, such as 100GiB (default 64GiB)")
	flags.IntVar(&f.top, "top", 20, "rows `N` of a table; 0 = all (csv and json hold all unless this is given)")
	flags.BoolVar(&f.all, "all", false, "all rows of all allocators")
	flags.StringVar(&f.title, "title", "", "`NAME` of the input in the headline")
	flags.BoolVar(&f.strict, "strict", false, "exit 4 when there are errors or warnings, such as a suspected leak")
	out.register(cmd, "text", "md", "html", "json", "csv")
	return cmd
}

func (a *app) runMemory(ctx context.Context, args []string, in *inputFlags, out *outputFlags, opts reports.Options, strict bool) error {
	var states []*analyze.MemoryUse
	for _, arg := range args {
		i := parseInput(arg)
		if opts.Title == "" {
			opts.Title = i.label
		}
		var before, now *analyze.MemoryUse
		err := await(ctx, func() (err error) {
			a.progress.Phase("reading "+i.String(), 0, "")
			defer a.progress.Phase("", 0, "")
			before, now, err = a.loadMemory(ctx, i, in, out.format == "json")
			return err
		})
		if err != nil {
			return err
		}
		if len(args) == 1 && before != nil {
			states = append(states, before)
		}
		states = append(states, now)
	}
	now := states[len(states)-1]
	var growth *analyze.MemoryGrowth
	if len(states) == 2 {
		growth = analyze.GrowMemory(states[0], now)
		now.Inputs = append(slices.Clone(states[0].Inputs), now.Inputs...)
	}
	r := reports.Memory(now, growth, opts)
	if err := a.emit(out, []*reports.Report{r}); err != nil {
		return err
	}
	a.judge([]*reports.Report{r}, strict, strict)
	return nil
}

// loadMemory reads what an input says about memory; before is not nil for a
// directory that holds two states.
func (a *app) loadMemory(ctx context.Context, in input, f *inputFlags, hash bool) (before, now *analyze.MemoryUse, err error) {
	to, _, err := f.options()
	if err != nil {
		return nil, nil, err
	}
	to.Hash = hash
	src := memorySource{open: func() (*trace.Trace, error) { return a.open(ctx, in, to) }, read: within(int64(f.most))}
	info, statErr := os.Stat(in.path)
	switch {
	case isBucket(in.path):
		far, err := a.far(ctx, in.path)
		if err != nil {
			return nil, nil, err
		}
		src.open = func() (*trace.Trace, error) { return a.openFar(ctx, far, to) }
		src.read = func(name string) (*memprof.Profile, analyze.Input, error) {
			return a.readFarProfile(ctx, far, name, int64(f.most))
		}
		for _, name := range far.names {
			if isProfileName(name) {
				src.profiles = append(src.profiles, name)
			}
		}
		src.alone = far.alone != nil
	case statErr == nil && info.IsDir():
		if src.profiles, err = profilesIn(in.path); err != nil {
			return nil, nil, err
		}
	case looksLikeProfile(in.path):
		src.profiles, src.alone = []string{in.path}, true
	}
	before, now, err = src.load()
	a.tellTraffic()
	return before, now, err
}

// A memorySource is where memory is known from: profiles, and captures unless a
// profile is alone.
type memorySource struct {
	profiles []string // by name
	alone    bool
	open     func() (*trace.Trace, error)
	read     func(name string) (*memprof.Profile, analyze.Input, error)
}

func (s *memorySource) capture(p *memprof.Profile) (*analyze.MemoryUse, error) {
	t, err := s.open()
	if err != nil {
		return nil, err
	}
	use := analyze.Memory(t, p)
	return use, t.Close()
}

// load reads the captures and the profiles: a pair named before and after, else the
// last by name.
func (s *memorySource) load() (before, now *analyze.MemoryUse, err error) {
	if len(s.profiles) == 0 {
		now, err = s.capture(nil)
		return nil, now, err
	}
	last := s.profiles[len(s.profiles)-1]
	if b, n, ok := pair(s.profiles); ok {
		last = n
		p, in, err := s.read(b)
		if err != nil {
			return nil, nil, err
		}
		before = analyze.Memory(nil, p)
		before.Inputs = append(before.Inputs, in)
	}
	p, in, err := s.read(last)
	if err != nil {
		return nil, nil, err
	}
	var none *trace.InputError
	if s.alone {
		now = analyze.Memory(nil, p)
	} else if now, err = s.capture(p); errors.As(err, &none) && strings.Contains(none.Msg, "no captures") {
		now, err = analyze.Memory(nil, p), nil
	}
	if err != nil {
		return nil, nil, err
	}
	now.Inputs = append(now.Inputs, in)
	if before == nil && len(s.profiles) > 1 {
		now.Findings = append(now.Findings, analyze.Finding{Code: "several-profiles", Severity: trace.Info, Count: 1,
			Message: fmt.Sprintf("%d memory profiles in the directory; %s was read", len(s.profiles), filepath.Base(last)), Hint: "name two of them to see what grew"})
	}
	return before, now, nil
}

// profilesIn lists the memory profiles below a directory, by name.
func profilesIn(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.Count(strings.TrimPrefix(path, dir), string(filepath.Separator)) > 8 {
			return filepath.SkipDir
		}
		if !d.IsDir() && isProfileName(d.Name()) {
			out = append(out, path)
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

func isProfileName(name string) bool {
	return strings.HasSuffix(name, ".prof") || strings.HasSuffix(name, ".pprof")
}

// pair finds a profile named before and its fellow named after.
func pair(profiles []string) (before, after string, ok bool) {
	for _, p := range profiles {
		dir, name := filepath.Split(p)
		if !strings.Contains(name, "before") {
			continue
		}
		if fellow := dir + strings.Replace(name, "before", "after", 1); slices.Contains(profiles, fellow) {
			before, after, ok = p, fellow, true
		}
	}
	return before, after, ok
}

// looksLikeProfile tells a pprof profile from a capture, by name and by content.
func looksLikeProfile(path string) bool {
	return isProfileName(path) || isProfile(path)
}

// isProfile tells a pprof profile by its content. It looks into files only: what
// is read of a pipe is gone.
func isProfile(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	br := bufio.NewReader(f)
	head, _ := br.Peek(64)
	if len(head) > 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(br)
		if err != nil {
			return false
		}
		head = make([]byte, 64)
		n, _ := io.ReadFull(z, head)
		head = head[:n]
	}
	return memprof.Detect(head)
}

func within(most int64) func(string) (*memprof.Profile, analyze.Input, error) {
	return func(path string) (*memprof.Profile, analyze.Input, error) { return readProfile(path, most) }
}

func readProfile(path string, most int64) (*memprof.Profile, analyze.Input, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, analyze.Input{}, &trace.InputError{Path: path, Msg: cause(err).Error()}
	}
	defer f.Close()
	p, err := parseProfile(f, path, most)
	return p, profileInput(path), err
}

func parseProfile(r io.Reader, path string, most int64) (*memprof.Profile, error) {
	p, err := memprof.ReadWithin(r, most)
	if err != nil && strings.Contains(err.Error(), "expands to more than") {
		return nil, &trace.InputError{Path: path, Msg: err.Error(), Hint: "raise --max-decompressed if the file is to be trusted"}
	}
	if err != nil {
		return nil, &trace.InputError{Path: path, Msg: err.Error(), Hint: "want a pprof profile of memory: jax.profiler.save_device_memory_profile, a Go heap profile, or a capture"}
	}
	return p, nil
}
