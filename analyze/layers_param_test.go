// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"strings"
	"testing"

	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/hlo"
)

// Parameters of an encoder and a decoder have the same indices for other layers:
// following them would put both in one row.
func TestParametersOfTwoStacks(t *testing.T) {
	const text = `HloModule jit_f

ENTRY main {
  a = f32[8]{0} parameter(0), metadata={op_name="params['STACK']['layers'][0]['w']"}
  b = f32[8]{0} parameter(1), metadata={op_name="params['STACK']['layers'][1]['w']"}
  c = f32[8]{0} parameter(2), metadata={op_name="params['decoder']['layers'][0]['w']"}
  d = f32[8]{0} parameter(3), metadata={op_name="params['decoder']['layers'][1]['w']"}
  x = f32[8]{0} add(a, b)
  y = f32[8]{0} add(x, c)
  ROOT z = f32[8]{0} add(y, d)
}
`
	for stack, want := range map[string]int{"encoder": 0, "decoder": 2} {
		m, err := hlo.ParseText(strings.ReplaceAll(text, "STACK", stack))
		if err != nil {
			t.Fatal(err)
		}
		if f := newFlow(newStudy(&trace.Trace{}, Options{}), m); f.n != want {
			t.Errorf("%s and decoder: %d layers, want %d", stack, f.n, want)
		}
	}
}
