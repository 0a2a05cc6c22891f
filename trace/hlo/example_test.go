// SPDX-License-Identifier: Apache-2.0

package hlo_test

import (
	"fmt"
	"log"

	"github.com/layerscope/layerscope/trace/hlo"
)

const program = `HloModule jit_score, is_scheduled=true

%fused (p: f32[4,8], w: f32[8,2]) -> f32[4,2] {
  %p = f32[4,8]{1,0} parameter(0)
  %w = f32[8,2]{1,0} parameter(1)
  %dot = f32[4,2]{1,0} dot(%p, %w), lhs_contracting_dims={1}, rhs_contracting_dims={0}, metadata={op_name="jit(score)/layer_0/mlp/dot_general"}
  ROOT %relu = f32[4,2]{1,0} tanh(%dot), metadata={op_name="jit(score)/layer_0/act/tanh"}
}

ENTRY %main (x: f32[4,8], weights: f32[8,2]) -> f32[4,2] {
  %x = f32[4,8]{1,0} parameter(0)
  %weights = f32[8,2]{1,0} parameter(1)
  ROOT %fusion.1 = f32[4,2]{1,0} fusion(%x, %weights), kind=kLoop, calls=%fused
}
`

// A profile says that "fusion.1" ran. The module says what that is, and to
// which scopes its work belongs.
func Example() {
	m, err := hlo.Parse([]byte(program))
	if err != nil {
		log.Fatal(err)
	}
	op := m.Instruction("fusion.1")
	fmt.Println(op, m.Cost(op, hlo.CostOptions{}).FLOPs, "FLOPs")
	for leaf, c := range m.Work(op, hlo.CostOptions{}) {
		if c.FLOPs > 0 {
			s := hlo.FoldScope(leaf.OpName)
			fmt.Println(s.Name(), s.Op, c.FLOPs)
		}
	}
	// Output:
	// fusion.1 = f32[4,2]{1,0} fusion(x, weights) 128 FLOPs
	// layer_0/mlp dot_general 128
}

func ExampleFoldScope() {
	s := hlo.FoldScope("jit(train_step)/transpose(jvp(decoder))/while/body/checkpoint/layers/attn/bhts,bshd->bthd/dot_general")
	fmt.Println(s.Program, s.Direction, s.Name(), s.Op, s.Spec)
	// Output: train_step backward decoder/layers/attn dot_general bhts,bshd->bthd
}

func ExampleParseInstruction() {
	in, err := hlo.ParseInstruction("%dot.1 = bf16[128,256]{1,0} dot(bf16[128,64]{1,0} %a, bf16[64,256]{1,0} %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}")
	if err != nil {
		log.Fatal(err)
	}
	c := in.Cost()
	fmt.Println(in.Opcode, in.Shape, c.FLOPs, c.Bytes())
	// Output: dot bf16[128,256]{1,0} 4194304 114688
}
