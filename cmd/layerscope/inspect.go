// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

func (a *app) inspect() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var strict bool
	cmd := &cobra.Command{
		Use:   "inspect INPUT…",
		Short: "What is in a capture: format, devices, programs, steps, window, findings",
		Long: `inspect says on one screen what a capture holds: format, hosts, devices, programs, steps, window and findings.
A bare path does the same: layerscope host.xplane.pb`,
		Args: inputs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			rs, failed := a.each(cmd.Context(), args, &in, out.format == "json", func(an *analyze.Analysis, i input) *reports.Report {
				return reports.Inspect(an, reports.Options{Title: i.label, Version: toolVersion()})
			})
			if err := a.emit(&out, rs); err != nil {
				return err
			}
			a.judge(rs, strict, strict)
			if failed == nil {
				path := quoted(args[0])
				a.next("layerscope report "+path, "layerscope check "+path)
			}
			return failed
		},
	}
	in.register(cmd)
	out.register(cmd, "text", "md", "json")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 4 when there are errors or warnings")
	return cmd
}
