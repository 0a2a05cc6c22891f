// SPDX-License-Identifier: Apache-2.0

package runindex_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/layerscope/layerscope/reports/runindex"
)

// A run is added once; whoever reads the index later finds it with its numbers.
func ExampleIndex() {
	root, err := os.MkdirTemp("", "runs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(root)
	ctx := context.Background()
	night := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	run := runindex.Run{
		Path: runindex.Nightly(night, "79e14de2c1"), TimeUnixNano: night.UnixNano(), Commit: "79e14de2c1", Devices: "1 × TPU v6e",
		Captures: []runindex.File{{Path: "host.xplane.pb", SHA256: strings.Repeat("5c", 32), Bytes: 4096}},
		Metrics:  []runindex.Metric{{Name: "step", Unit: "ps", Value: 40_860_000_000, N: 12}},
	}
	ix := runindex.Index{Store: runindex.Dir(root)}
	for range 2 {
		id, added, err := ix.Add(ctx, run)
		fmt.Println(id, added, err)
	}
	runs, damaged, err := ix.Runs(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	step, _ := runs[0].Metric("step")
	fmt.Println(len(runs), len(damaged), runs[0].Path, step.Value)
	// Output:
	// 20261124T020000Z-79e14de-78374b2a8e68fe5b true <nil>
	// 20261124T020000Z-79e14de-78374b2a8e68fe5b false <nil>
	// 1 0 nightly/2026-11-24/79e14de 4.086e+10
}
