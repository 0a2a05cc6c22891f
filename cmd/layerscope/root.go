// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layerscope/layerscope/internal/term"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "layerscope [INPUT…]",
		Short: "Where the time of a profiled model went, layer by layer",
		Long: `layerscope reads captures of the JAX profiler (XSpace, Trace Event JSON and others) and says where each layer's time went.

A bare path is "inspect". INPUT is a capture file, a profile directory (…/plugins/profile/SESSION), gs://BUCKET/PATH of either or of a run, or - for
standard input; label=INPUT names it. The result goes to standard output, everything else to standard error.`,
		Example: `  layerscope host.xplane.pb                    what is in it, on one screen
  layerscope report host.xplane.pb             time by layer, component, category and op
  layerscope report host.xplane.pb -o time.md  the same for a pull request
  layerscope check host.xplane.pb              can it be trusted?`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       describeBuild(),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			a.startProgress()
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.Var(&a.color, "color", "colour the text: auto, always or never")
	flags.BoolVar(&a.noProgress, "no-progress", false, "show no progress line")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no remarks: only the result, and errors")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say what takes how long")
	root.AddCommand(a.inspect(), a.report(), a.check(), a.memory(), a.diff(), a.calibrate(), a.compareCommits(), a.history(), a.view(), a.bundle(), a.push(), a.pull(), a.list(), a.convert(), a.score(), a.serve(), a.capture(), a.profile(), a.demo(), a.version())
	root.AddCommand(helpTopics()...)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

func (a *app) startProgress() {
	if a.quiet || a.noProgress {
		return
	}
	style, _ := term.ProgressFor("auto", a.stderr, a.env)
	a.progress = term.NewProgress(a.stderr, style, term.Width(a.stderr, a.env))
}

// defaultVerb puts "inspect" before arguments that begin with a path, and
// explains a first argument that is neither verb nor path.
func defaultVerb(root *cobra.Command, args []string) ([]string, error) {
	if len(args) > 0 && strings.HasPrefix(args[0], "__complete") {
		return args, nil
	}
	found, rest, err := root.Find(args)
	if err != nil || found != root || len(rest) == 0 {
		return args, nil
	}
	first := slices.IndexFunc(rest, func(s string) bool { return s == "-" || !strings.HasPrefix(s, "-") })
	if first < 0 {
		return args, nil // flags alone: of the root, or unknown
	}
	word := rest[first]
	if _, err := os.Stat(word); err == nil || word == "-" || strings.ContainsAny(word, "/.=:") {
		return append([]string{"inspect"}, args...), nil
	}
	hint := "layerscope --help lists the verbs"
	var verbs []string
	for _, c := range root.Commands() {
		verbs = append(verbs, c.Name())
	}
	if near := nearest(word, verbs); near != "" {
		hint = "did you mean " + near + "?"
	}
	return nil, usagef(hint, "%q is neither a verb nor a file", word)
}

// flagError makes a flag that cobra doesn't like a usage error, with the nearest
// flag there is.
func flagError(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help lists the flags"
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = "did you mean --" + near + "?"
		}
	}
	var value *pflag.InvalidValueError
	var number *strconv.NumError
	if errors.As(err, &value) && errors.As(err, &number) {
		return usagef(hint, "--%s %s: want a number", value.GetFlag().Name, value.GetValue())
	}
	return usagef(hint, "%v", err)
}

// nearest returns the name closest to a mistyped one, "" when none is close.
func nearest(word string, names []string) string {
	best, least := "", max(len(word)/3, 1)+1
	for _, n := range names {
		if d := distance(word, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is Levenshtein's, on bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
