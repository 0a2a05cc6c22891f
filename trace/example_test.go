// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"log"

	"github.com/layerscope/layerscope/trace"
)

// Open a capture and add up its ops.
func Example() {
	t, err := trace.Open("../testdata/captures/base_a.xplane.pb.gz", trace.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	events, sum := 0, trace.Duration(0)
	for _, track := range t.Tracks {
		if track.Kind != trace.Ops {
			continue
		}
		for batch, err := range track.Batches() {
			if err != nil {
				log.Fatal(err)
			}
			events += batch.Len()
			for _, d := range batch.Dur {
				sum += d
			}
		}
	}
	fmt.Printf("%s: %d ops, %.1f ms\n", t.Devices[0].Name, events, float64(sum)/float64(trace.Millisecond))
	// Output:
	// cpu:0: 2352 ops, 639.3 ms
}
