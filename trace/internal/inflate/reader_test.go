// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

func jsonLike(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < n {
		layer := r.IntN(64)
		fmt.Fprintf(&b, `{"ph":"X","pid":3,"tid":3,"ts":%.17g,"dur":%.17g,"name":"fusion.%d","args":{"bytes_accessed":"%d","deduplicated_name":"fusion.%d","hlo_category":"convolution fusion","long_name":"%%fusion.%d = (bf16[1024,5120]{1,0:T(8,128)(2,1)}, f32[1024]{0:T(1024)}) fusion(%%param.%d, %%copy.%d), kind=kOutput, calls=%%fused_computation.%d","model_flops":"%d","tf_op":"jit(step_fun)/transformer/layers.%d/mlp/dot_general:","source":"/app/models/qwen.py:%d"}},`,
			1e6*r.Float64()*10, r.Float64()*100, layer*20+r.IntN(20), r.IntN(1e9), layer, layer, r.IntN(300), r.IntN(300), layer, r.IntN(1e9), layer, r.IntN(500))
	}
	return b.Bytes()[:n]
}

func protoLike(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, 0, n+64)
	t := uint64(0)
	for len(b) < n {
		b = append(b, 0x22, byte(20+r.IntN(30)), 0x08)
		b = appendVarint(b, uint64(r.IntN(2000)))
		b = append(b, 0x10)
		t += uint64(r.IntN(4e6))
		b = appendVarint(b, t)
		b = append(b, 0x18)
		b = appendVarint(b, uint64(r.IntN(3e6)))
		for range r.IntN(4) {
			b = append(b, 0x22, 4, 0x08, byte(r.IntN(40)), 0x38)
			b = appendVarint(b, uint64(r.IntN(1e4)))
		}
	}
	return b[:n]
}

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func pack(tb testing.TB, data []byte, level int) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		tb.Fatal(err)
	}
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	inputs := map[string][]byte{
		"empty": nil, "one": {1}, "json": jsonLike(3 << 20), "proto": protoLike(3 << 20),
		"zeros": make([]byte, 1<<20), "ab": bytes.Repeat([]byte("ab"), 1<<18), "abc": bytes.Repeat([]byte("abc"), 1<<18),
	}
	for name, data := range inputs {
		for level := -2; level <= 9; level++ {
			z, err := NewReader(bytes.NewReader(pack(t, data, level)), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(z)
			if err != nil {
				t.Fatalf("%s level %d: %v (%d bytes)", name, level, err, len(got))
			}
			if !bytes.Equal(got, data) {
				t.Fatalf("%s level %d: wrong data", name, level)
			}
		}
	}
}
