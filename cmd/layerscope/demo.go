// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/engine"
)

// The demo: the embedded model answers the same requests in two builds, one of
// which does part of a layer's work twice.
const (
	demoInject   = "slow:layer_2/mlp=3x"
	demoCaptures = 4 // a side: the capture is the unit of statistics
	demoSteps    = 30
	demoItems    = 60 // a request: a step of some milliseconds
	demoQuery    = "Tina owns a pink book. Finn owns an orange coat. Vera owns a blue spoon. Gina has a black ball. Who has the coat?"
)

var demoNames = []string{" Finn", " Tina", " Vera", " Gina", " the coat", " a pink book"}

func (a *app) demo() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole loop on the embedded model: score, capture, report, diff",
		Long: `demo scores with the embedded model (CPU, no network), takes captures of two builds of it, one of which has a slower layer,
and prints the layer table of each and the diff. Captures and memory profiles stay in --out. All numbers are of this machine's CPU.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runDemo(cmd, out) },
	}
	cmd.Flags().StringVar(&out, "out", "demo-run", "`DIR` for captures and memory profiles")
	return cmd
}

func (a *app) runDemo(cmd *cobra.Command, out string) error {
	sides := []struct{ name, inject string }{{"base", ""}, {"slow", demoInject}}
	for i := range demoCaptures { // in turn, so that both sides see the same machine
		for _, side := range sides {
			a.progress.Phase(fmt.Sprintf("scoring %s, capture %d of %d", side.name, i+1, demoCaptures), 0, "")
			if err := a.demoCapture(cmd.Context(), filepath.Join(out, side.name), side.inject, i); err != nil {
				return err
			}
		}
	}
	base, slow := filepath.Join(out, "base"), filepath.Join(out, "slow")
	for _, args := range [][]string{
		{"report", "--by", "layer", filepath.Join(base, "host.xplane.pb")},
		{"report", "--by", "layer", filepath.Join(slow, "host.xplane.pb")},
		{"diff", "base=" + base, "slow=" + slow},
	} {
		if _, err := fmt.Fprintf(a.stdout, "$ layerscope %s\n", quotedAll(args)); err != nil {
			return err
		}
		sub := a.root()
		sub.SetArgs(args)
		if err := sub.ExecuteContext(cmd.Context()); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(a.stdout); err != nil {
			return err
		}
	}
	a.next("layerscope memory "+quoted(filepath.Join(base, "memory", "memory_report_score_layer_2_prefill.prof")), "layerscope diff "+quoted(base)+" "+quoted(slow)+" -o diff.md")
	return nil
}

// demoCapture scores in a fresh engine and leaves capture number i of a side.
func (a *app) demoCapture(ctx context.Context, dir, inject string, i int) error {
	faults, err := engine.ParseInjection(inject)
	if err != nil {
		return err
	}
	opt := engine.Options{Inject: faults}
	memory := memoryLog{dir: filepath.Join(dir, "memory")}
	e, err := engine.Open(opt)
	if err != nil {
		return err
	}
	req := engine.Request{Query: demoQuery, Softmax: true, Algorithm: engine.Packed}
	for n := range demoItems {
		req.Items = append(req.Items, demoNames[n%len(demoNames)])
	}
	for _, l := range []string{" yes", " no"} {
		id, err := e.LabelID(l)
		if err != nil {
			return errors.Join(err, e.Close())
		}
		req.Labels = append(req.Labels, id)
	}
	score := func(n int) error {
		for range n {
			if _, err := e.Score(ctx, req); err != nil {
				return err
			}
		}
		return nil
	}
	name := "host.xplane.pb"
	if i > 0 {
		name = fmt.Sprintf("host-%d.xplane.pb", i+1)
	}
	err = score(3) // programs are made, the workers are awake
	if err == nil {
		err = recorded(e, filepath.Join(dir, name), false, func() error { return score(demoSteps) })
	}
	if err = errors.Join(err, e.Close()); err != nil || i > 0 {
		return err
	}
	return a.demoMemory(ctx, &memory, faults, req)
}

// demoMemory scores once more, looking at memory: it would disturb times.
func (a *app) demoMemory(ctx context.Context, memory *memoryLog, faults []engine.Injection, req engine.Request) error {
	e, err := engine.Open(engine.Options{Inject: faults, SnapshotLayers: "all", OnSnapshot: memory.add})
	if err != nil {
		return err
	}
	_, err = e.Score(ctx, req)
	if err = errors.Join(err, e.Close()); err != nil {
		return err
	}
	return memory.write()
}

// quotedAll joins arguments as a shell would read them back.
func quotedAll(args []string) string {
	s := ""
	for i, arg := range args {
		if i > 0 {
			s += " "
		}
		s += quoted(arg)
	}
	return s
}
