// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

const noiseFile = "noise.json"

func (a *app) calibrate() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var dry bool
	cmd := &cobra.Command{
		Use:   "calibrate RUNS",
		Short: "The noise between repeated captures of one commit, by layer, kept beside them",
		Long: `calibrate measures how much captures of the same code differ, layer by layer, and writes noise.json beside them. diff
finds it there and calls nothing a change that is smaller. RUNS is a directory of captures or a comma list, three at
least to be of use, five or more to be good.`,
		Example: `  layerscope calibrate runs/main
  layerscope calibrate a.xplane.pb,b.xplane.pb,c.xplane.pb --dry-run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("a directory, or a list with commas: "+cmd.CommandPath()+" a.xplane.pb,b.xplane.pb,c.xplane.pb", "calibrate: found %d arguments, wanted the runs of one commit", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			arg, err := a.parseSide(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if !dry && isBucket(arg.dirs[0]) {
				return usagef("layerscope pull them, or add --dry-run", "%s: noise.json is kept beside the captures, and nothing is written to buckets here", arg.dirs[0])
			}
			side, err := a.loadSide(cmd.Context(), arg, &in)
			if err != nil {
				return err
			}
			n, err := analyze.Calibrate(side)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			r := reports.Noise(n, reports.Options{Title: side.Label, Version: toolVersion()})
			if !dry {
				if err := writeNoise(filepath.Join(arg.dirs[0], noiseFile), r); err != nil {
					return err
				}
				a.say("layerscope: wrote %s", filepath.Join(arg.dirs[0], noiseFile))
			}
			return a.emit(&out, []*reports.Report{r})
		},
	}
	in.register(cmd)
	out.register(cmd, "text", "md", "json")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "write nothing beside the captures")
	return cmd
}

func writeNoise(path string, r *reports.Report) error {
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		return fmt.Errorf("%s: %w", path, cause(err))
	}
	return nil
}

// findNoise reads the noise that was asked for, or what lies beside the
// captures; nil when there is none.
func (a *app) findNoise(ctx context.Context, asked string, sides []sideArg) (*analyze.Noise, error) {
	if asked == "none" {
		return nil, nil
	}
	if asked != "" {
		return readNoise(asked)
	}
	for _, s := range sides {
		for _, dir := range s.dirs {
			path := filepath.Join(dir, noiseFile)
			read := func() (*analyze.Noise, error) { return readNoise(path) }
			if isBucket(dir) {
				path = dir + "/" + noiseFile
				read = func() (*analyze.Noise, error) { return a.readFarNoise(ctx, path) }
			}
			n, err := read()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil && a.verbose {
				a.say("layerscope: noise from %s", path)
			}
			return n, err
		}
	}
	return nil, nil
}

func readNoise(path string) (*analyze.Noise, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	return parseNoise(text, path)
}

func parseNoise(text []byte, path string) (*analyze.Noise, error) {
	var doc struct {
		Schema string  `json:"schema"`
		Runs   int     `json:"runs"`
		Step   float64 `json:"step_sd"`
		Common float64 `json:"common_sd"`
		Rows   []struct {
			Key string  `json:"key"`
			SD  float64 `json:"sd"`
		} `json:"rows"`
		Inputs []struct {
			Path   string `json:"path"`
			SHA256 string `json:"sha256"`
		} `json:"inputs"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if doc.Schema != "layerscope.noise/v1" || doc.Runs < 2 {
		return nil, fmt.Errorf("%s: found schema %q of %d runs, wanted layerscope.noise/v1 of two or more", path, doc.Schema, doc.Runs)
	}
	n := &analyze.Noise{Runs: doc.Runs, Step: doc.Step, Common: doc.Common}
	for _, r := range doc.Rows {
		n.Rows = append(n.Rows, analyze.NoiseRow{Key: r.Key, SD: r.SD})
	}
	for _, in := range doc.Inputs {
		n.Inputs = append(n.Inputs, analyze.Input{Path: in.Path, SHA256: in.SHA256})
	}
	return n, nil
}
