// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/reports"
)

// registerCharts adds --charts, for Markdown that people look at.
func (f *outputFlags) registerCharts(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.charts, "charts", "", "write the charts of --format md as SVG to `DIR` and refer to them, to be committed with the Markdown")
}

// chartsOf returns what report i of n puts before the names of its charts: the
// way from the Markdown to them. "" = no charts.
func (f *outputFlags) chartsOf(i, n int) (string, error) {
	if f.of = n; f.charts == "" {
		return "", nil
	}
	if f.format != "md" {
		return "", usagef("--format html has its charts inside", "--charts: want --format md, found %s", f.format)
	}
	from, err := filepath.Abs(filepath.Dir(f.output)) // of standard output, here
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(f.chartDir(i, n))
	if err != nil {
		return "", err
	}
	link, err := filepath.Rel(from, to)
	if err != nil {
		return "", usagef("name a directory beside the Markdown", "--charts %s: no relative path leads there: %v", f.charts, err)
	}
	return filepath.ToSlash(link), nil
}

// chartDir is where the charts of report i of n go: of several reports, each has
// a directory.
func (f *outputFlags) chartDir(i, n int) string {
	if n > 1 {
		return filepath.Join(f.charts, fmt.Sprintf("%02d", i+1))
	}
	return f.charts
}

// draw writes the charts of reports. Files of other names are left alone.
func (f *outputFlags) draw(rs []*reports.Report) error {
	if f.charts == "" {
		return nil
	}
	for i, r := range rs {
		charts := r.Charts()
		if len(charts) == 0 {
			continue
		}
		dir := f.chartDir(i, f.of)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		for name, text := range charts {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}
