// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/reports/bundle"
)

func (a *app) bundle() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle create|verify|retain|pack|unpack",
		Short: "One run as one directory: captures, inputs, environment, report and hashes",
		Long: `bundle keeps a run together: captures as they are, requests, logs, environment, commands, commit, report and
analysis, with the SHA-256 of everything. A bundle is made whole or not at all, and never changed. A bundle's directory
is an INPUT of all verbs that read captures.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usagef("bundle create, verify, retain, pack or unpack", "bundle: found %q", args[0])
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.AddCommand(a.bundleCreate(), a.bundleVerify(), a.bundleRetain(), a.bundlePack(), a.bundleUnpack())
	return cmd
}

// bundleFlags are those of bundle create.
type bundleFlags struct {
	output                       string
	memory, logs, inputs         []string
	benchmarks, commands         []string
	commit, branch, trigger      string
	model, profile, zone, server string
	batches                      []int
	runs                         int
	versions                     []string
	price, backup                string
	plain, allow, redact         bool
	pages                        bool   // HTML beside report.md
	key                          string // of a server: redacted wherever it is
}

func (a *app) bundleCreate() *cobra.Command {
	var in inputFlags
	var f bundleFlags
	cmd := &cobra.Command{
		Use:   "create CAPTURE… -o DIR",
		Short: "Make a bundle of captures and what belongs to them",
		Long: `create makes the directory DIR, which must not exist, from captures or profile directories. It analyses them and
writes report.md, and tables, charts and JSON beside it. A second call with the same arguments goes on where a crash
ended the first. Files of a bundle are read-only.

In text files, project, account, host and user names, home directories, tokens, keys and IP addresses are replaced by
redacted-KIND, and listed in report.md and manifest.json; --no-redact leaves them. Of the environment only variables of
the hardware, JAX, XLA, TPU and SGLANG are kept. Captures are looked through, expanded if they are compressed: one with
what looks like a token in it is refused, unless --redact-captures has it overwritten in the copy, or --allow-secrets
takes it as it is.`,
		Example: `  layerscope bundle create host.xplane.pb -o runs/first
  layerscope bundle create …/plugins/profile/2026_11_24_06_00_00 --log server.log --input score_request.json -o runs/first
  layerscope bundle create host.xplane.pb --price 1.90USD@2026-02-05 --zone us-east5-a -o runs/first`,
		Args: inputs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.output == "" {
				return usagef("-o runs/first", "bundle create: want -o DIR")
			}
			return a.runBundleCreate(cmd.Context(), args, &in, &f)
		},
	}
	in.register(cmd)
	f.register(cmd)
	return cmd
}

func (f *bundleFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "", "the bundle's `DIR`, which must not exist")
	flags.StringArrayVar(&f.memory, "memory", nil, "a memory profile `FILE`; repeatable")
	flags.StringArrayVar(&f.logs, "log", nil, "a log `FILE` of the server; repeatable")
	flags.StringArrayVar(&f.inputs, "input", nil, "a request or settings, as `[NAME=]FILE`, such as profile_config.json, score_request.json, warmup_request.json; repeatable")
	flags.StringArrayVar(&f.benchmarks, "benchmark", nil, "a `FILE` of benchmark results; repeatable")
	flags.StringArrayVar(&f.commands, "command", nil, "a shell `COMMAND` that was run; repeatable")
	flags.StringVar(&f.commit, "commit", "", "`SHA` of the code that ran (default: what the capture says)")
	flags.StringVar(&f.branch, "branch", "", "`NAME` of the commit's branch")
	flags.StringVar(&f.trigger, "trigger", "manual", "what started the run: `NAME` such as nightly")
	flags.StringVar(&f.model, "model", "", "`NAME` of the model (default: what request or server say)")
	flags.StringVar(&f.profile, "profile", "", "`NAME` of the workload: smoke, standard, full")
	flags.IntSliceVar(&f.batches, "batch-sizes", nil, "items a request, as a `LIST` (default: what requests say)")
	flags.IntVar(&f.runs, "num-runs", 0, "runs `N` (default: the captures)")
	flags.StringVar(&f.zone, "zone", "", "`NAME` of the zone of the machine")
	flags.StringVar(&f.server, "server-info", "", "JSON `FILE` with what the server says of itself")
	flags.StringArrayVar(&f.versions, "with-version", nil, "`NAME=VERSION` of what ran, such as libtpu=0.0.30, beside those in the capture; repeatable")
	flags.StringVar(&f.price, "price", "", "what an hour of the machine costs, and when: `AMOUNT` is 1.90USD@2026-02-05")
	flags.StringVar(&f.backup, "backup", "", "`URL` where a copy is going to be, for the report")
	flags.BoolVar(&f.plain, "no-redact", false, "leave text files as they are, and captures with tokens")
	flags.BoolVar(&f.redact, "redact-captures", false, "overwrite tokens, accounts, projects, hosts and users in the copies of captures, by as many bytes")
	flags.BoolVar(&f.allow, "allow-secrets", false, "take captures with tokens in them")
}

func (a *app) runBundleCreate(ctx context.Context, args []string, in *inputFlags, f *bundleFlags) error {
	if _, err := os.Lstat(f.output); err == nil {
		return &hintedError{fmt.Errorf("%s: exists already; a bundle is never changed", f.output), "name another directory"}
	}
	opts, err := a.bundleOptions(ctx, args, in, f)
	if err != nil {
		return err
	}
	var m *bundle.Manifest
	err = await(ctx, func() (err error) {
		a.progress.Phase("writing "+f.output, 0, "")
		defer a.progress.Phase("", 0, "")
		m, err = bundle.Create(f.output, *opts)
		return err
	})
	switch {
	case errors.Is(err, bundle.ErrSecrets):
		return &hintedError{err, "revoke the token; --redact-captures overwrites it in the copy, --allow-secrets takes the capture as it is"}
	case errors.Is(err, fs.ErrExist):
		return &hintedError{err, "name another directory"}
	case err != nil:
		return err
	}
	if _, err := fmt.Fprintln(a.stdout, f.output); err != nil {
		return err
	}
	a.tellRedacted(m, f.plain)
	return nil
}

func (a *app) tellRedacted(m *bundle.Manifest, plain bool) {
	count := 0
	for _, r := range m.Redacted {
		count += r.Count
	}
	if count > 0 {
		a.say("layerscope: %d values redacted; report.md lists them", count)
	}
	if len(m.Verbatim) > 0 && !plain {
		a.say("layerscope: %s kept byte for byte, such as captures, and not redacted; report.md lists them", plural(len(m.Verbatim), "file"))
	}
	for _, s := range m.Secrets {
		a.say("layerscope: warning: %s holds what looks like a token (%d): don't share the bundle before they are revoked", s.Path, s.Count)
	}
	for _, name := range m.Unscanned {
		a.say("layerscope: warning: %s could not be looked through whole", name)
	}
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
