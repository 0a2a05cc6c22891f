// SPDX-License-Identifier: Apache-2.0

package memprof_test

import (
	"bytes"
	"fmt"

	"github.com/layerscope/layerscope/trace/memprof"
)

// A profile of two weights and a cache, written for go tool pprof and read back.
func Example() {
	p := &memprof.Profile{Buffers: []memprof.Buffer{
		{Stack: memprof.Scope("layer_00/attention"), Kind: "weights", Device: "cpu:0", Bytes: 8192, Count: 2},
		{Stack: memprof.Scope("layer_00/kv"), Kind: "kv_cache", Device: "cpu:0", Bytes: 4096, Count: 1},
	}}
	var file bytes.Buffer
	if err := p.Write(&file); err != nil {
		fmt.Println(err)
		return
	}
	back, err := memprof.Read(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, b := range back.Buffers {
		fmt.Printf("%5d bytes in %d  %-8s  %s\n", b.Bytes, b.Count, b.Kind, b.Path())
	}
	// Output:
	//  8192 bytes in 2  weights   layer_00/attention
	//  4096 bytes in 1  kv_cache  layer_00/kv
}
