// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"fmt"
	"log"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// Print the layer table of a capture whose third layer's MLP was made wider.
func Example() {
	t, err := trace.Open("../testdata/captures/slow_a.xplane.pb.gz", trace.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	a, err := analyze.Analyze(t, analyze.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("layers by", a.Layers.Method)
	for _, row := range a.Layers.Rows {
		fmt.Printf("%-10s %6.2f ms a step, median of %d\n", row.Key, float64(row.Samples.Median)/1e9, row.Samples.N)
	}
	fmt.Printf("%-10s %6.2f ms in all\n", "unattr.", float64(a.Layers.Unattributed)/1e9)
	fmt.Println("unlike its peers:", a.Layers.Outliers[0].Key)
	// Output:
	// layers by scope
	// layer_0      8.35 ms a step, median of 12
	// layer_1      8.09 ms a step, median of 12
	// layer_2      8.03 ms a step, median of 12
	// layer_3     17.05 ms a step, median of 12
	// layer_4      8.19 ms a step, median of 12
	// layer_5      8.02 ms a step, median of 12
	// score        0.12 ms a step, median of 12
	// embed        0.05 ms a step, median of 12
	// final_norm   0.01 ms a step, median of 12
	// unattr.      0.05 ms in all
	// unlike its peers: layer_3
}
