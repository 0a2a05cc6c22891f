// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/bundle"
)

func (a *app) bundleVerify() *cobra.Command {
	var out outputFlags
	cmd := &cobra.Command{
		Use:   "verify DIR|FILE.tar.zst",
		Short: "Hash a bundle again: what is missing, extra or changed; exit 4 when anything is",
		Long: `verify hashes the files of a bundle, or of its packed form without unpacking it, and compares with manifest.json and
checksums.txt. Bundles of others that have a checksums.txt only are compared with that.`,
		Example: `  layerscope bundle verify runs/first
  layerscope bundle verify first.tar.zst --json`,
		Args: exactly("DIR or FILE.tar.zst", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			var r *bundle.Result
			err := await(cmd.Context(), func() (err error) {
				a.progress.Phase("hashing "+args[0], 0, "")
				defer a.progress.Phase("", 0, "")
				r, err = bundle.Verify(args[0])
				return err
			})
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s: %w", args[0], cause(err))
			} else if err != nil {
				return err
			}
			if !r.OK() {
				a.code = exitUntrusted
			}
			return a.emitVerified(&out, args[0], r)
		},
	}
	out.register(cmd, "text", "json")
	return cmd
}

func (a *app) emitVerified(out *outputFlags, path string, r *bundle.Result) error {
	var b bytes.Buffer
	if out.format == "json" {
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		if err := e.Encode(struct {
			Schema string `json:"schema"`
			Path   string `json:"path"`
			OK     bool   `json:"ok"`
			*bundle.Result
		}{"layerscope.verify/v1", path, r.OK(), r}); err != nil {
			return err
		}
	} else {
		writeVerified(&b, path, r)
	}
	if out.output == "" || out.output == "-" {
		_, err := a.stdout.Write(b.Bytes())
		return err
	}
	return os.WriteFile(out.output, b.Bytes(), 0o666)
}

func writeVerified(w io.Writer, path string, r *bundle.Result) {
	verdict := "verified"
	if !r.OK() {
		verdict = "DOES NOT VERIFY"
	}
	fmt.Fprintf(w, "%s: %s: %d files listed, %d missing, %d changed, %d extra\n", term.Safe(path), verdict, r.Listed, len(r.Missing), len(r.Changed), len(r.Extra))
	if !r.Manifest {
		fmt.Fprintln(w, "no manifest.json")
	}
	if len(r.Dropped) > 0 {
		fmt.Fprintf(w, "%d files were left out on purpose, of the bundle with manifest %s\n", len(r.Dropped), r.Parent[:12])
	}
	extra := "extra"
	if !r.Manifest {
		extra = "unlisted"
	}
	for _, part := range []struct {
		name  string
		paths []string
	}{{"problem", r.Problems}, {"missing", r.Missing}, {"changed", r.Changed}, {extra, r.Extra}, {"left out", r.Dropped}} {
		for _, p := range part.paths {
			fmt.Fprintf(w, "%-9s %s\n", part.name, term.Safe(p))
		}
	}
}

func (a *app) bundlePack() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "pack DIR",
		Short: "Write a bundle's .tar.zst form",
		Long: `pack verifies a bundle and writes it as one file, DIR.tar.zst or what -o says, which must not exist.
tar --zstd -xf reads it as well.`,
		Example: `  layerscope bundle pack runs/first`,
		Args:    exactly("DIR", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := output
			if out == "" {
				out = filepath.Clean(args[0]) + ".tar.zst"
			}
			return a.made(cmd.Context(), out, func() error { return bundle.Pack(args[0], out) })
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE` instead of DIR.tar.zst")
	return cmd
}

func (a *app) bundleUnpack() *cobra.Command {
	return &cobra.Command{
		Use:   "unpack FILE.tar.zst DIR",
		Short: "Expand a packed bundle to a directory, checking every entry",
		Long: `unpack makes the directory DIR, which must not exist. A file that breaks a rule is refused and leaves nothing:
paths that lead out of DIR or differ in case only, links and devices, entries that the manifest doesn't list or
describes otherwise, too many of them or too many bytes.`,
		Example: `  layerscope bundle unpack first.tar.zst runs/first`,
		Args:    exactly("FILE.tar.zst and DIR", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.made(cmd.Context(), args[1], func() error { return bundle.Unpack(args[0], args[1]) })
		},
	}
}

// made does what makes a path, and prints it.
func (a *app) made(ctx context.Context, path string, do func() error) error {
	err := await(ctx, func() error {
		a.progress.Phase("writing "+path, 0, "")
		defer a.progress.Phase("", 0, "")
		return do()
	})
	switch {
	case errors.Is(err, fs.ErrExist):
		return &hintedError{fmt.Errorf("%s: exists already; a bundle is never changed", path), "name another path"}
	case err != nil:
		return err
	}
	_, err = fmt.Fprintln(a.stdout, path)
	return err
}

// exactly wants n arguments.
func exactly(what string, n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			name := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
			return usagef(cmd.CommandPath()+" --help", "%s: want %s, found %d arguments", name, what, len(args))
		}
		return nil
	}
}

// bundledTraces returns where a bundle keeps its captures.
func bundledTraces(dir string) (string, bool) {
	dir = filepath.Clean(dir)
	if text, err := os.ReadFile(filepath.Join(dir, "manifest.json")); err != nil || !strings.Contains(string(text), `"layerscope.bundle/v1"`) {
		return "", false
	}
	traces := filepath.Join(dir, "artifacts", "raw", "traces")
	for at := traces; at != filepath.Clean(dir); at = filepath.Dir(at) {
		if info, err := os.Lstat(at); err != nil || !info.IsDir() { // a link leads out
			return "", false
		}
	}
	return traces, true
}

// bundledCapture returns the capture of a bundle with one file of captures: its
// name need not say what it is, as names in directories must.
func bundledCapture(dir string) (string, bool) {
	traces, ok := bundledTraces(dir)
	if !ok {
		return "", false
	}
	one, n := "", 0
	err := filepath.WalkDir(traces, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if n++; d.Type().IsRegular() { // a link leads out
				one = p
			}
		}
		return err
	})
	return one, err == nil && n == 1 && one != ""
}
