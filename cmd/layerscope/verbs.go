// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("", "%s takes no arguments, found %q", cmd.Name(), args[0])
	}
	return nil
}

// inputs wants at least one INPUT, and standard input at most once.
func inputs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef(cmd.CommandPath()+" host.xplane.pb", "%s: no INPUT given", cmd.Name())
	}
	dashes := 0
	for _, arg := range args {
		if parseInput(arg).path == "-" {
			dashes++
		}
	}
	if dashes > 1 {
		return usagef("", "standard input can be read only once")
	}
	return nil
}

// each analyses every input and makes its report. An input that fails is
// complained about and left out; the others are still written.
func (a *app) each(ctx context.Context, args []string, in *inputFlags, hash bool, make func(*analyze.Analysis, input) *reports.Report) ([]*reports.Report, error) {
	if _, _, err := in.options(); err != nil {
		return nil, err
	}
	var out []*reports.Report
	var failed error
	for _, arg := range args {
		input := parseInput(arg)
		analysis, err := a.load(ctx, input, in, hash)
		var usage *usageError
		switch {
		case err == nil:
			out = append(out, make(analysis, input))
		case ctx.Err() != nil || len(args) == 1 || errors.As(err, &usage):
			return nil, err
		default:
			a.complain(err, hintFor(err))
			failed = errReported
		}
	}
	return out, failed
}

// judge sets the exit code from the verdicts, for verbs that are asked to.
func (a *app) judge(rs []*reports.Report, errorsCount, warningsCount bool) {
	for _, r := range rs {
		v := r.Verdict()
		if v == "error" && errorsCount || v == "warning" && warningsCount {
			a.code = exitUntrusted
		}
	}
}
