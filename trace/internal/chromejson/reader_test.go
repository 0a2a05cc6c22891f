// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"compress/gzip"
	"io"
	"os"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
)

func TestSmoke(t *testing.T) {
	for _, name := range []string{"data/trace_json/tpu_vllm_qwen25_32b_bf16.trace.json.gz", "data/torch/h100_qwen15_05b.json.gz"} {
		f, err := os.Open(tracetest.Shared(t, name))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		rd := NewReader(z, Options{Window: 1000})
		phases := map[byte]int{}
		var dur int64
		for {
			ev, err := rd.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			phases[ev.Ph]++
			dur += ev.Dur
		}
		t.Log(name, rd.Events(), rd.Empty(), dur, rd.Problems(), rd.Origin(), len(rd.Members()))
		for k, v := range phases {
			t.Logf("%c %d", k, v)
		}
	}
}
