// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"

	"github.com/layerscope/layerscope/trace"
)

var (
	spanRequest = trace.Name("request")
	spanMatmul  = trace.Name("matmul")
	attrTokens  = trace.Name("tokens")
)

// A program records two nested spans and one operation of a device, and opens
// its recording like any capture.
func ExampleRecorder() {
	rec := trace.NewRecorder(trace.RecorderOptions{})
	lane := rec.Lane("worker")
	dev := rec.Device(trace.Device{})
	prog := rec.Program(trace.Program{Name: "score"}, nil)
	dot := rec.Op(trace.Op{Name: "dot.1", Scope: "layer_0/mlp", Category: "dot", Program: prog, FLOPs: 1 << 20})
	if err := rec.Start(); err != nil {
		fmt.Println(err)
		return
	}

	request := lane.Begin(spanRequest)
	request.Int(attrTokens, 128)
	span := lane.Begin(spanMatmul)
	t0 := dev.Now()
	// … the work …
	t1 := dev.Now()
	dev.Op(dot, t0, t1)
	dev.Run(prog, t0, t1)
	span.End()
	request.End()

	recording, err := rec.Stop()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer recording.Close()
	var file bytes.Buffer
	if err := recording.WriteXSpace(&file, trace.XSpaceOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	t, err := trace.Read(&file, "host.xplane.pb", trace.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, track := range t.Tracks {
		for batch, err := range track.Batches() {
			if err != nil {
				fmt.Println(err)
				return
			}
			for _, op := range batch.Op {
				fmt.Println(track.Name+":", t.Ops[op].Name)
			}
		}
	}
	// Output:
	// XLA Modules: score(6955583116286825083)
	// XLA Ops: dot.1
	// worker: request
	// worker: matmul
}
