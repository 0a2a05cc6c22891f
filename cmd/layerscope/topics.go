// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/spf13/cobra"

// helpTopics are pages of help that are not about a verb.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{
			Use: "exit-codes", Short: "What the exit codes mean",
			Long: `0    done; also when the reader of a pipe has gone
1    failed: the message says where and why, and most of them what to do
2    the command line can't be meant
3    the finding asked for is true (a gate has failed)
4    done, but the capture can't be trusted: check with an error, any verb with --strict; a gate that can't be
     decided, with --inconclusive=fail; a bundle that doesn't verify
130  interrupted`,
		},
		{
			Use: "formats", Short: "What is read, and what is written",
			Long: `Read, plain or compressed (gzip, zstd, xz), recognised by content:
  XSpace        *.xplane.pb of JAX, XLA, TensorFlow and PyTorch/XLA
  Chrome JSON   *.trace.json.gz and perfetto_trace.json.gz of the JAX profiler, Kineto's of PyTorch, any other
  Perfetto      *.pftrace, *.perfetto-trace: track events
  speedscope    *.speedscope.json of py-spy and others: host threads only
  folded        *.folded of flamegraph.pl, inferno and others (a;b;c 12): host stacks only
  XProf         hlo_stats, framework_op_stats, op_profile, memory_profile, overview_page as JSON: sums, called lossy
  text          what convert --to txt writes
  pprof         memory profiles, for memory
  directories   …/plugins/profile/SESSION: all hosts of the session; a bundle of bundle create

Written, by --format or by the extension of -o:
  text   for a terminal; the same when piped, without colour
  md     GitHub-flavoured Markdown
  html   one page that needs nothing else: charts to choose from, tables to sort and filter; report, diff and memory, one input
  svg    a chart; history
  csv    one table of all sections, told apart by the first columns; picoseconds, bytes and fractions
  json   one document an input, described in docs/schema; picoseconds as 64-bit integers

Text and Markdown fold equal layers, and equal ops of several layers, unless --all is given, and cut long tables
(--top). CSV and JSON do neither, unless --top is given.`,
		},
		{
			Use: "filter", Short: "The language of --filter",
			Long: `A filter is terms joined by spaces; all must hold. A term is key:value; "-" negates it.

  layer:layer_*                 a glob over the whole text: * any run, ? one character
  category:/dot|conv/           a regular expression, found anywhere
  op:"all-reduce.1"             quoted, for spaces
  layer:(embed OR layer_0)      one of several values
  component:mlp OR op:copy*     either term; (…) groups terms

Keys are layer, component, op, category, scope, program, source, device and bound. Ops that belong to no row match
layer:unattributed.`,
		},
	}
}
