// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

// reportFlags are those of report alone.
type reportFlags struct {
	by     []string
	top    int
	all    bool
	filter string
	title  string
	strict bool
}

func (a *app) report() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report INPUT…",
		Short: "Where the time went: by layer, component, category, op, program and step",
		Long: `report breaks the time of a capture down by layer and everything else. The rows of a table add up to its total,
what could not be placed is a row of its own, and every share says what it is a share of. Several inputs give one
report each.

With --by op, category, program or source only, text and CSV are made in one pass over the ops, without hash or
findings about steps.`,
		Example: `  layerscope report host.xplane.pb
  layerscope report --by layer,op --top 40 host.xplane.pb
  layerscope report --filter 'layer:layer_3 -component:norm' --all host.xplane.pb
  layerscope report --device 0 --steps 3-10 …/plugins/profile/2026_11_24_06_00_00
  layerscope report host.xplane.pb -o time.md --charts charts`,
		Args: inputs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			opts, err := f.options(cmd.Flags().Changed("top"))
			if err != nil {
				return err
			}
			if _, err := out.chartsOf(0, len(args)); err != nil {
				return err
			}
			n := 0
			// Such a report is for looking, and made as soon as it can be. Documents
			// hold all sections and the files' hashes, whatever text shows.
			in.opsOnly = opts.OpsOnly() && slices.Contains([]string{"text", "csv", "md"}, out.format) && in.steps == "all" && !f.strict
			hash := out.format != "csv" && !in.opsOnly
			rs, failed := a.each(cmd.Context(), args, &in, hash, func(an *analyze.Analysis, i input) *reports.Report {
				opts := opts
				opts.Charts, _ = out.chartsOf(n, len(args)) // as above
				n++
				if i.label != "" {
					opts.Title = i.label
				}
				return reports.New(an, opts)
			})
			if err := a.emit(&out, rs); err != nil {
				return err
			}
			a.judge(rs, f.strict, f.strict)
			if failed == nil && out.output == "" {
				a.next("layerscope report " + quoted(args[0]) + " -o report.md")
			}
			return failed
		},
	}
	in.register(cmd)
	out.register(cmd, "text", "md", "html", "json", "csv")
	out.registerCharts(cmd)
	f.register(cmd)
	return cmd
}

func (f *reportFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.by, "by", nil, "sections in the order of `LIST`: "+strings.Join(reports.Sections(), ", ")+" (default the first six)")
	flags.IntVar(&f.top, "top", 20, "rows `N` of op, scope and source tables; 0 = all (csv and json hold all unless this is given)")
	flags.BoolVar(&f.all, "all", false, "unfold equal layers and ops, list every step")
	flags.StringVar(&f.filter, "filter", "", "only ops that match `EXPR`, such as 'layer:layer_* category:/dot|conv/ -op:copy*' (help filter)")
	flags.StringVar(&f.title, "title", "", "`NAME` of the capture in the headline")
	flags.BoolVar(&f.strict, "strict", false, "exit 4 when there are errors or warnings")
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(reports.Sections(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

func (f *reportFlags) options(topGiven bool) (reports.Options, error) {
	opts := reports.Options{Title: f.title, All: f.all, Version: toolVersion()}
	switch {
	case f.top < 0:
		return opts, usagef("--top 0 is all", "--top %d: want a number of rows", f.top)
	case topGiven && f.top == 0:
		opts.Top = -1
	case topGiven:
		opts.Top = f.top
	}
	for _, name := range f.by {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(reports.Sections(), name) {
			name = strings.TrimSuffix(strings.Replace(name, "categories", "category", 1), "s")
		}
		if !slices.Contains(reports.Sections(), name) {
			hint := ""
			if near := nearest(name, reports.Sections()); near != "" {
				hint = "did you mean " + near + "?"
			}
			return opts, usagef(hint, "--by %s: want %s", name, strings.Join(reports.Sections(), ", "))
		}
		opts.By = append(opts.By, name)
	}
	var err error
	if opts.Filter, err = reports.ParseFilter(f.filter); err != nil {
		return opts, usagef("layerscope help filter", "--%v", err)
	}
	return opts, nil
}
