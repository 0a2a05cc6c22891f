// SPDX-License-Identifier: Apache-2.0

package reports_test

import (
	"os"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

// A report needs nothing but an analysis: here one made by hand, of a layer and
// an embedding; usually that of analyze.Analyze.
func ExampleNew() {
	const µs = 1_000_000 // picoseconds
	a := &analyze.Analysis{
		Inputs:  []analyze.Input{{Path: "host.xplane.pb", Format: "xspace"}},
		Capture: analyze.Capture{Window: 1000 * µs},
		Devices: []analyze.Device{{Name: "/device:TPU:0", Kind: "tpu", OpTime: 800 * µs, Busy: 800 * µs, Idle: 200 * µs, Window: 1000 * µs}},
		Layers: analyze.Layers{
			Method: "scope", Confidence: 1, Count: 1, OpTime: 800 * µs, Unattributed: 20 * µs,
			Rows: []analyze.Layer{
				{Key: "embed", Index: -1, Self: 180 * µs},
				{Key: "layer_0", Index: 0, Self: 600 * µs},
			},
		},
	}
	reports.New(a, reports.Options{By: []string{"layer"}}).Text(os.Stdout, reports.Style{Plain: true})
	// Output:
	// host.xplane.pb
	// No steps marked on /device:TPU:0 (tpu): busy 800.0 us (= op time), idle 200.0 us = 20.0 % of the 1.000 ms window.
	// 1 layer by scope, confidence 1.00; 2.50 % of op time is unattributed.
	//
	// Layers
	// layer          self          self                vs median
	//                  us  % of op time
	// ----------------------------------------------------------
	// embed         180.0          22.5  ####
	// layer_0       600.0          75.0  ############       1.00
	// unattributed   20.0           2.5
	// ----------------------------------------------------------
	// op time       800.0         100.0
	// No steps, so no medians: self times are sums over the capture.
	//
	// Findings
	// None.
	//
	// Provenance
	// file    host.xplane.pb (xspace, 0 B)
	// report  layerscope
}
