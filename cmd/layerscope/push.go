// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/remote"
	"github.com/layerscope/layerscope/reports/runindex"
)

// moveFlags are those of push and pull.
type moveFlags struct {
	only, exclude []string
	dryRun        bool
	streams       int
}

func (f *moveFlags) register(cmd *cobra.Command, what string) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.only, "only", nil, "only files that match `GLOB`, by path, name or a directory above; repeatable")
	flags.StringArrayVar(&f.exclude, "exclude", nil, "leave out files that match `GLOB`; repeatable")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be "+what+", and do nothing")
	flags.IntVar(&f.streams, "streams", 4, "`N` transfers at the same time")
}

func (f *moveFlags) check() error {
	if f.streams < 1 || f.streams > 64 {
		return usagef("", "--streams %d: want 1 to 64", f.streams)
	}
	for _, p := range append(append([]string{}, f.only...), f.exclude...) {
		if _, err := path.Match(p, ""); err != nil {
			return usagef("", "%s: bad pattern", p)
		}
	}
	return nil
}

// options show progress, too: what is there already doesn't count for the rate.
func (a *app) moveOptions(f *moveFlags, phase string) remote.Options {
	return remote.Options{
		Streams: f.streams, Only: f.only, Exclude: f.exclude, DryRun: f.dryRun,
		Begin: func(files int, bytes int64) { a.progress.Phase(fmt.Sprintf("%s %d files", phase, files), bytes, "B") },
		Moved: a.progress.Add, Found: a.progress.Skip,
	}
}

// pushFlags are those of push alone.
type pushFlags struct {
	moveFlags
	as, name, workload, commit string
	noIndex, sole              bool
}

const pushHelp = `push copies a bundle, which must verify, to a root that others read: a bucket, gs://bucket/prefix, or a directory. It
lies there as nightly/DATE/COMMIT, manual/DATE-NAME or baselines/NAME, every file an object of its own, and the index
gets a record of it, from which list, history and diff --runs find it by commit.

Nothing is overwritten: other content at the same place is an error, what is there already is not sent again. After an
interrupt, a crash or on another machine the same command goes on; large files go in parts of 16 MiB. The address is
printed. Credentials are the application's default ones; STORAGE_EMULATOR_HOST is honoured.`

func (a *app) push() *cobra.Command {
	in := inputFlags{clock: "device"} // as bundle create analyses
	var out outputFlags
	var f pushFlags
	cmd := &cobra.Command{
		Use:   "push BUNDLE ROOT",
		Short: "Copy a bundle to a bucket or directory of runs, and into its index",
		Long:  pushHelp,
		Example: `  layerscope push runs/first gs://profiles/team
  layerscope push runs/first file:///mnt/runs --as baseline --name v6e-qwen3
  layerscope push runs/first gs://profiles/team --as nightly --dry-run`,
		Args: exactly("BUNDLE and ROOT", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(out.resolve(), f.check()); err != nil {
				return err
			}
			p, err := a.pushBundle(cmd.Context(), args[0], args[1], &in, &f)
			if err != nil {
				return err
			}
			return a.emitPushed(&out, p)
		},
	}
	out.register(cmd, "text", "json")
	f.register(cmd, "sent")
	flags := cmd.Flags()
	flags.StringVar(&f.as, "as", "", "`KIND` is nightly, manual or baseline (default by the bundle's trigger: nightly, else manual)")
	flags.StringVar(&f.name, "name", "", "`NAME` of a manual run or baseline (default the bundle's); of a nightly one, beside the commit")
	flags.StringVar(&f.workload, "workload", "", "`NAME` of what ran, for history")
	flags.StringVar(&f.commit, "commit", "", "`SHA` that ran, where the bundle doesn't say")
	flags.BoolVar(&f.sole, "drop-sole-capture", false, "let --only and --exclude leave out the only complete form of a raw capture")
	flags.BoolVar(&f.noIndex, "no-index", false, "add no record to the index")
	return cmd
}

// pushed is the result of a push: layerscope.push/v1.
type pushed struct {
	Schema  string `json:"schema"`
	Root    string `json:"root"`
	Run     string `json:"run"`
	Address string `json:"address"`
	DryRun  bool   `json:"dry_run"`
	*remote.Result
	Records []pushedRecord `json:"records"`
}

type pushedRecord struct {
	ID    string `json:"id"`
	Added bool   `json:"added"`
}

// pushBundle pushes a bundle and adds its records to the index.
func (a *app) pushBundle(ctx context.Context, dir, root string, in *inputFlags, f *pushFlags) (*pushed, error) {
	meta, err := readMetadata(dir)
	if err != nil {
		return nil, err
	}
	meta.Commit = cmp.Or(f.commit, meta.Commit)
	run, err := f.place(dir, meta)
	if err != nil {
		return nil, err
	}
	s, err := a.store(ctx, root)
	if err != nil {
		return nil, err
	}
	p := &pushed{Schema: "layerscope.push/v1", Root: s.String(), Run: run, Address: s.String() + "/" + run, DryRun: f.dryRun, Records: []pushedRecord{}}
	var records []runindex.Run
	if !f.noIndex {
		if records, err = a.bundleRecords(ctx, dir, run, meta, in, f); err != nil {
			return nil, err
		}
	}
	a.progress.Phase("hashing "+dir, 0, "")
	opts := a.moveOptions(&f.moveFlags, "sending")
	opts.DropSole = f.sole
	p.Result, err = remote.Push(ctx, s, dir, run, opts)
	a.progress.Phase("", 0, "")
	if err != nil {
		return nil, a.explainPush(ctx, err)
	}
	for _, r := range records {
		if f.dryRun {
			break
		}
		id, added, err := runindex.Index{Store: runindex.On(s)}.Add(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%s: the run is there, its record isn't: %w", p.Address, err)
		}
		p.Records = append(p.Records, pushedRecord{id, added})
	}
	return p, nil
}

func (a *app) explainPush(ctx context.Context, err error) error {
	var conflict *remote.Conflict
	switch {
	case errors.As(err, &conflict):
		return &hintedError{err, "runs are never changed; push it under another --name"}
	case errors.Is(err, bundle.ErrSoleCapture):
		return &hintedError{err, "a copy without it is no backup; --drop-sole-capture makes one all the same"}
	case ctx.Err() != nil:
		a.say("layerscope: the same command goes on from here")
	}
	return err
}

// metadata is what a bundle's metadata.json says.
type metadata struct {
	Timestamp time.Time `json:"timestamp"`
	Commit    string    `json:"commit"`
	Branch    string    `json:"branch"`
	Trigger   string    `json:"trigger"`
}

func readMetadata(dir string) (m metadata, err error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return m, fmt.Errorf("%s: %w", dir, cause(err))
	case strings.HasSuffix(dir, ".tar.zst"):
		return m, usagef("layerscope bundle unpack "+quoted(dir)+" DIR", "%s: a packed bundle, wanted its directory", dir)
	case !info.IsDir():
		return m, usagef("layerscope bundle create "+quoted(dir)+" -o DIR makes one", "%s: a file, wanted a bundle", dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, "metadata.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return m, usagef("layerscope bundle create CAPTURE -o DIR makes one", "%s: no bundle: it has no metadata.json", dir)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", dir, cause(err))
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%s/metadata.json: %w", dir, err)
	}
	return m, nil
}

// place is where a run lies below the root.
func (f *pushFlags) place(dir string, meta metadata) (string, error) {
	as := f.as
	if as == "" {
		as = "manual"
		if meta.Trigger == "nightly" {
			as = "nightly"
		}
	}
	base, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name := cmp.Or(f.name, filepath.Base(base))
	switch as {
	case "nightly":
		if meta.Commit == "" {
			return "", usagef("--commit $(git rev-parse HEAD)", "%s: a nightly run needs its commit, and the bundle doesn't say", dir)
		}
		at := runindex.Nightly(meta.Timestamp, meta.Commit)
		if f.name != "" {
			at += "-" + path.Base(runindex.Baseline(f.name))
		}
		return at, nil
	case "manual":
		return runindex.Manual(meta.Timestamp, name), nil
	case "baseline":
		return runindex.Baseline(name), nil
	}
	return "", usagef("", "--as %s: want nightly, manual or baseline", f.as)
}

func (a *app) emitPushed(out *outputFlags, p *pushed) error {
	var b bytes.Buffer
	if out.format == "json" {
		if err := writeJSON(&b, p); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(&b, term.Safe(p.Address))
	}
	would := ""
	if p.DryRun {
		would = "would be "
	}
	a.say("layerscope: %s: %d %ssent (%s), %d there already", plural(p.Files, "file"), p.Moved, would, sizeText(p.BytesMoved), p.Present)
	for _, r := range p.Records {
		if !r.Added {
			a.say("layerscope: %s is in the index already", r.ID)
		}
	}
	if p.Captures > 0 {
		a.say("layerscope: warning: %s left out: this copy is no backup", plural(p.Captures, "capture"))
	}
	if p.PartsLeft > 0 {
		a.say("layerscope: warning: %s of large files could not be removed below parts/", plural(p.PartsLeft, "part"))
	}
	return writeOut(out, a.stdout, b.Bytes())
}
