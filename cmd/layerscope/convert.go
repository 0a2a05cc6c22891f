// SPDX-License-Identifier: Apache-2.0

package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/trace"
)

// convertFlags are those of convert alone.
type convertFlags struct {
	output string
	to     string
	exact  bool
	compat bool
	host   string
	json   bool
	format string
}

func (a *app) convert() *cobra.Command {
	var in inputFlags
	var f convertFlags
	cmd := &cobra.Command{
		Use:   "convert INPUT -o OUTPUT",
		Short: "Write a capture in another format: Chrome JSON, XSpace, pprof, speedscope, tables, text",
		Long: `convert reads a capture of any format and writes it in another, which the extension of -o names, or --to:

` + targetHelp() + `
With .gz behind the extension the file is compressed. What a format has no place for is listed when it is written.
Layers and components come from the analysis, as in report.`,
		Example: `  layerscope convert host.xplane.pb -o timeline.json.gz     for ui.perfetto.dev
  layerscope convert trace.json.gz -o host.xplane.pb        for XProf
  layerscope convert host.xplane.pb -o time.pprof           go tool pprof -http=: time.pprof
  layerscope convert host.xplane.pb --to folded | flamegraph.pl > time.svg
  layerscope convert host.xplane.pb -o events.parquet       duckdb -c "select layer, sum(dur_ps) from 'events.parquet' group by 1"`,
		Args: inputs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("one INPUT at a time", "convert: %d inputs given", len(args))
			}
			return a.runConvert(cmd.Context(), parseInput(args[0]), &in, &f)
		},
	}
	in.register(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "", "write to `PATH`, or to standard output with -")
	flags.StringVar(&f.to, "to", "", "`FORMAT` is "+strings.Join(targetNames(), ", ")+" (default by the extension of -o)")
	flags.BoolVar(&f.exact, "exact", false, "chrome: times to the picosecond, where the default rounds to nanoseconds")
	flags.BoolVar(&f.compat, "xprof-compat", false, "xspace: CPU devices as TPUs, the only kind besides GPUs that XProf makes tables for; marked as synthetic")
	flags.StringVar(&f.host, "host", "", "xspace: the `NAME` of the host to write, of a capture of several")
	flags.StringVar(&f.format, "format", "text", "what is said about the conversion: `NAME` is text or json")
	flags.BoolVar(&f.json, "json", false, "short for --format json")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(targetNames(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

// A conversion is one run of the verb.
type conversion struct {
	in            input
	t             *trace.Trace
	an            *analyze.Analysis
	exact, compat bool
	host          string
	to            *target
}

func (a *app) runConvert(ctx context.Context, in input, inFlags *inputFlags, f *convertFlags) error {
	to, err := f.target()
	if err != nil {
		return err
	}
	switch {
	case f.json:
		f.format = "json"
	case f.format != "text" && f.format != "json":
		return usagef("", "--format %s: want text or json", f.format)
	}
	if f.output == "-" && to.binary && term.IsTerminal(a.stdout) {
		return usagef("-o FILE, or pipe it on", "%s is binary; it is not written to a terminal", to.name)
	}
	if same(in.path, f.output) {
		return usagef("", "%s: the output is the input", f.output)
	}
	topts, aopts, err := inFlags.options()
	if err != nil {
		return err
	}
	topts.Hash = f.format == "json"
	return await(ctx, func() error {
		a.progress.Phase("reading "+in.String(), 0, "")
		t, err := a.open(ctx, in, topts)
		if err != nil {
			return err
		}
		c := &conversion{in: in, t: t, exact: f.exact, compat: f.compat, host: f.host, to: to}
		a.progress.Phase("analysing "+in.String(), 0, "")
		if c.an, err = analyseSteps(t, aopts); err == nil {
			a.progress.Phase("writing "+f.output, 0, "")
			err = a.write(c, f)
		}
		a.tellTraffic()
		return errors.Join(err, t.Close())
	})
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// write writes the output and says what became of the input.
func (a *app) write(c *conversion, f *convertFlags) error {
	if f.output == "-" {
		n := &counter{w: a.stdout}
		if err := c.to.write(c, n); err != nil {
			return err
		}
		a.progress.Phase("", 0, "")
		return c.summary(f, n.n).emit(f, a.progress)
	}
	size, err := c.save(f.output)
	if err != nil {
		return err
	}
	a.progress.Phase("", 0, "")
	if a.quiet && f.format == "text" {
		return nil
	}
	return c.summary(f, size).emit(f, a.stdout)
}

// save writes the output to a file, which gets its name only once it is whole,
// and returns its size.
func (c *conversion) save(path string) (int64, error) {
	part := path + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o666)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, cause(err))
	}
	n := &counter{w: file}
	err = c.writeTo(n, strings.HasSuffix(path, ".gz") && !c.to.packed)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part) // the error that matters came first
		return 0, fmt.Errorf("%s: %w", path, cause(err))
	}
	return n.n, nil
}

func (c *conversion) writeTo(w io.Writer, packed bool) error {
	if !packed {
		return c.to.write(c, w)
	}
	z := gzip.NewWriter(w)
	return errors.Join(c.to.write(c, z), z.Close())
}

// A counter counts what passes through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
