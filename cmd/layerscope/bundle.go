// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
	"github.com/layerscope/layerscope/reports/bundle"
)

func (a *app) bundle() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle create|verify|pack|unpack",
		Short: "One run as one directory: captures, inputs, environment, report and hashes",
		Long: `bundle keeps a run together: captures as they are, requests, logs, environment, commands, commit, report and
analysis, with the SHA-256 of everything. A bundle is made whole or not at all, and never changed. A bundle's directory
is an INPUT of all verbs that read captures.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usagef("bundle create, verify, pack or unpack", "bundle: found %q", args[0])
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.AddCommand(a.bundleCreate(), a.bundleVerify(), a.bundlePack(), a.bundleUnpack())
	return cmd
}

// bundleFlags are those of bundle create.
type bundleFlags struct {
	output                  string
	memory, logs, inputs    []string
	commands                []string
	commit, branch, trigger string
	plain                   bool
}

func (a *app) bundleCreate() *cobra.Command {
	var in inputFlags
	var f bundleFlags
	cmd := &cobra.Command{
		Use:   "create CAPTURE… -o DIR",
		Short: "Make a bundle of captures and what belongs to them",
		Long: `create makes the directory DIR, which must not exist, from captures or profile directories. It analyses them and
writes report.md, analysis/report.json and analysis/summary.md.

In text files, project, account, host and user names, home directories, tokens, keys and IP addresses are replaced by
redacted-KIND, and listed in report.md and manifest.json; --no-redact leaves them. Captures are never rewritten. Of the
environment only variables of the hardware, JAX, XLA, TPU and SGLANG are kept.`,
		Example: `  layerscope bundle create host.xplane.pb -o runs/first --commit 79e14de2c1
  layerscope bundle create …/plugins/profile/2026_11_24_06_00_00 -o run --input profile_config.json --log server.log`,
		Args: inputs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.output == "" || f.output == "-" {
				return usagef("-o runs/first", "bundle create: want -o DIR")
			}
			return a.runBundleCreate(cmd.Context(), args, &in, &f)
		},
	}
	in.register(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "", "make the bundle `DIR`, which must not exist")
	flags.StringArrayVar(&f.memory, "memory", nil, "a memory profile `FILE`; repeatable")
	flags.StringArrayVar(&f.logs, "log", nil, "a log `FILE`; repeatable")
	flags.StringArrayVar(&f.inputs, "input", nil, "a `FILE` with a request or settings, such as profile_config.json; repeatable")
	flags.StringArrayVar(&f.commands, "command", nil, "a shell `COMMAND` that was run; repeatable")
	flags.StringVar(&f.commit, "commit", "", "`SHA` of the code that ran (default: what the capture says)")
	flags.StringVar(&f.branch, "branch", "", "its branch `NAME`")
	flags.StringVar(&f.trigger, "trigger", "manual", "what started the run: `NAME` such as nightly")
	flags.BoolVar(&f.plain, "no-redact", false, "leave text files as they are")
	return cmd
}

func (a *app) runBundleCreate(ctx context.Context, args []string, in *inputFlags, f *bundleFlags) error {
	if _, err := os.Lstat(f.output); err == nil {
		return &hintedError{fmt.Errorf("%s: exists already; a bundle is never changed", f.output), "name another directory"}
	}
	opts := bundle.Options{
		Memory: f.memory, Logs: f.logs, Inputs: f.inputs, Commands: f.commands, Environ: os.Environ(), Plain: f.plain,
		Commit: f.commit, Branch: f.branch, Trigger: f.trigger, Tool: toolVersion(), Time: a.now(),
		Hardware: map[string]string{}, Analysis: map[string][]byte{}, Names: localNames(),
	}
	for i, arg := range args {
		capture := parseInput(arg)
		if capture.path == "-" {
			return usagef("name a file", "bundle create: a capture from standard input has no file")
		}
		an, err := a.load(ctx, capture, in, true)
		if err != nil {
			return err
		}
		suffix := ""
		if len(args) > 1 {
			suffix = fmt.Sprintf("-%02d", i+1)
		}
		opts.Captures = append(opts.Captures, capture.path)
		if err := describe(&opts, an, cmp.Or(capture.label, filepath.Base(capture.path)), suffix); err != nil {
			return err
		}
	}
	var m *bundle.Manifest
	err := await(ctx, func() (err error) {
		a.progress.Phase("writing "+f.output, 0, "")
		defer a.progress.Phase("", 0, "")
		m, err = bundle.Create(f.output, opts)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.stdout, f.output); err != nil {
		return err
	}
	count := 0
	for _, r := range m.Redacted {
		count += r.Count
	}
	if count > 0 {
		a.say("layerscope: %d values redacted in text files; report.md lists them", count)
	}
	if len(m.Verbatim) > 0 && !f.plain {
		a.say("layerscope: %d files are as they were, such as captures; report.md lists them", len(m.Verbatim))
	}
	return nil
}

// describe adds what the analysis of a capture says to a bundle in the making.
func describe(opts *bundle.Options, an *analyze.Analysis, title, suffix string) error {
	for _, h := range an.Capture.Hosts {
		opts.Names[h] = "host"
	}
	opts.Commit = cmp.Or(opts.Commit, commitOf(an))
	if d := devicesOf(an); d != "" {
		opts.Hardware["devices"+suffix] = d
	}
	if start := an.Capture.StartUnixNano; start > 0 && suffix == "" {
		opts.Time = time.Unix(0, start)
	}
	r := reports.New(an, reports.Options{Title: title, Version: toolVersion()})
	var text, doc, summary bytes.Buffer
	if err := r.Markdown(&text); err != nil {
		return err
	}
	if err := r.JSON(&doc); err != nil {
		return err
	}
	if err := reports.Inspect(an, reports.Options{Title: title, Version: toolVersion()}).Markdown(&summary); err != nil {
		return err
	}
	if len(opts.Report) > 0 {
		opts.Report = append(opts.Report, '\n')
	}
	opts.Report = append(opts.Report, text.Bytes()...)
	opts.Analysis["report"+suffix+".json"] = doc.Bytes()
	opts.Analysis["summary"+suffix+".md"] = summary.Bytes()
	return nil
}

// localNames are this machine's and its user's.
func localNames() map[string]string {
	names := make(map[string]string)
	if host, err := os.Hostname(); err == nil {
		names[host] = "host"
	}
	for _, v := range []string{"USER", "LOGNAME", "USERNAME"} {
		if name := os.Getenv(v); name != "" {
			names[name] = "user"
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		if name := filepath.Base(home); name != "." && name != string(filepath.Separator) {
			names[name] = "user"
		}
	}
	return names
}
