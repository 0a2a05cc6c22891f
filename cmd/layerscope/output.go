// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports"
)

// outputFlags say in which format a result goes where.
type outputFlags struct {
	format string
	json   bool
	output string
	charts string   // directory; "" = none
	of     int      // inputs asked for
	known  []string // the verb's formats
}

func (f *outputFlags) register(cmd *cobra.Command, formats ...string) {
	f.known = formats
	flags := cmd.Flags()
	flags.StringVar(&f.format, "format", "", "`NAME` is "+strings.Join(formats, ", ")+" (default by the extension of -o, else text)")
	flags.BoolVar(&f.json, "json", false, "short for --format json")
	flags.StringVarP(&f.output, "output", "o", "", "write to `PATH` instead of standard output")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

// extensions name the formats that file names ask for.
var extensions = map[string]string{
	".txt": "text", ".md": "md", ".markdown": "md", ".csv": "csv", ".json": "json", ".html": "html", ".htm": "html", ".svg": "svg",
}

// promised are extensions that text must not hide behind; others are text.
var promised = []string{".pdf", ".png", ".jpg", ".jpeg", ".gif", ".xlsx", ".xls", ".docx", ".xml", ".yaml", ".yml", ".parquet", ".pb", ".gz", ".zst", ".zip"}

// resolve settles the format.
func (f *outputFlags) resolve() error {
	if f.json {
		if f.format != "" && f.format != "json" {
			return usagef("", "--json contradicts --format %s", f.format)
		}
		f.format = "json"
	}
	if f.format == "" {
		f.format = "text"
		if format, ok := extensions[strings.ToLower(filepath.Ext(f.output))]; ok {
			f.format = format
		} else if ext := strings.ToLower(filepath.Ext(f.output)); slices.Contains(promised, ext) {
			return usagef("--format NAME says what to write to such a name", "-o %s: %s is not written here; want %s", f.output, ext, strings.Join(f.known, ", "))
		}
	}
	switch {
	case slices.Contains(f.known, f.format):
		return nil
	case f.format == "html":
		return usagef("--format md is for pages, --format json for programs", "html is not written by this verb")
	}
	hint := ""
	if near := nearest(f.format, f.known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return usagef(hint, "--format %s: want %s", f.format, strings.Join(f.known, ", "))
}

// emit writes reports in the format asked for. A file is opened only once
// everything is rendered: a failure leaves none behind.
func (a *app) emit(f *outputFlags, rs []*reports.Report) error {
	if len(rs) == 0 {
		return nil // no input could be read; its error is on its way
	}
	var b bytes.Buffer
	if err := a.render(f, &b, rs); err != nil {
		return err
	}
	if err := f.draw(rs); err != nil {
		return err
	}
	if f.output == "" || f.output == "-" {
		_, err := a.stdout.Write(b.Bytes())
		return err
	}
	if err := os.WriteFile(f.output, b.Bytes(), 0o666); err != nil {
		return fmt.Errorf("%s: %w", f.output, cause(err))
	}
	if a.verbose {
		a.say("layerscope: wrote %s", f.output)
	}
	return nil
}

func (a *app) render(f *outputFlags, w io.Writer, rs []*reports.Report) error {
	switch {
	case f.format == "csv":
		return reports.CSV(w, rs...)
	case f.format == "html" && len(rs) > 1:
		return usagef("name one input at a time", "a page holds one report: found %d", len(rs))
	}
	for i, r := range rs {
		if i > 0 && f.format != "json" {
			fmt.Fprintln(w)
		}
		var err error
		switch f.format {
		case "json":
			err = r.JSON(w)
		case "md":
			err = r.Markdown(w)
		case "svg":
			err = r.SVG(w)
		case "html":
			err = r.HTML(w)
		default:
			err = r.Text(w, a.style(f))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// style is that of standard output, or plain for files.
func (a *app) style(f *outputFlags) reports.Style {
	if f.output != "" && f.output != "-" {
		return reports.Style{Color: a.color == term.Always}
	}
	return reports.Style{Width: term.Width(a.stdout, a.env), Color: a.color.Enabled(a.stdout, a.env)}
}

// next suggests commands, to people only.
func (a *app) next(commands ...string) {
	if a.quiet || !term.IsTerminal(a.stdout) || !term.IsTerminal(a.stderr) {
		return
	}
	for _, c := range commands {
		a.say("next: %s", c)
	}
}

// quoted returns a path as a shell word.
func quoted(path string) string {
	if path != "" && !strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:@%,", r)
	}) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// writeJSON writes a document as all verbs do.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeOut writes a result to where -o says.
func writeOut(f *outputFlags, stdout io.Writer, text []byte) error {
	if f.output == "" || f.output == "-" {
		_, err := stdout.Write(text)
		return err
	}
	if err := os.WriteFile(f.output, text, 0o666); err != nil {
		return fmt.Errorf("%s: %w", f.output, cause(err))
	}
	return nil
}
