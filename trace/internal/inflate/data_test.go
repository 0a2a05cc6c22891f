// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// jsonLike returns trace JSON as JAX writes it, which gzip shrinks to a ninth.
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

// protoLike returns events in protobuf as XSpace has them, which gzip -1
// shrinks to less than half.
func protoLike(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, 0, n+256)
	varint := func(v uint64) { b = binary.AppendUvarint(b, v) }
	t := uint64(0)
	for len(b) < n {
		op := r.IntN(200) // each op has its own length, give or take
		dur := uint64(20_000 + op*977 + r.IntN(256))
		b = append(b, 0x22, byte(30+op%16), 0x08)
		varint(uint64(op))
		b = append(b, 0x10)
		varint(t)
		b = append(b, 0x18)
		varint(dur)
		b = append(b, 0x22, 8, 0x08, 51, 0x18)
		varint(t + 402_000_000)
		b = append(b, 0x22, 8, 0x08, 52, 0x18)
		varint(dur)
		b = append(b, 0x22, 5, 0x08, 17, 0x38)
		varint(uint64(op * 31))
		t += dur + uint64(r.IntN(1000))
	}
	return b[:n]
}
