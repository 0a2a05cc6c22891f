// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

func (a *app) check() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var strict bool
	cmd := &cobra.Command{
		Use:   "check INPUT…",
		Short: "Can a capture be trusted: findings with codes, exit 4 when not",
		Long: `check lists what is wrong or doubtful about a capture, each with a code, a count and what to do about it.
It exits 4 when there is an error, with --strict also when there is a warning.`,
		Example: `  layerscope check host.xplane.pb
  layerscope check --expect 10 --strict …/plugins/profile/2026_11_24_06_00_00
  layerscope check --format json host.xplane.pb | jq -r '.findings[].code'`,
		Args: inputs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			in.damaged = true
			rs, failed := a.each(cmd.Context(), args, &in, out.format == "json", func(an *analyze.Analysis, i input) *reports.Report {
				return reports.Check(an, reports.Options{Title: i.label, Version: toolVersion()})
			})
			if err := a.emit(&out, rs); err != nil {
				return err
			}
			a.judge(rs, true, strict)
			return failed
		},
	}
	in.register(cmd)
	out.register(cmd, "text", "md", "json", "csv")
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings count too")
	return cmd
}
