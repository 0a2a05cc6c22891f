// SPDX-License-Identifier: Apache-2.0

package profile_test

import (
	"fmt"
	"os"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/profile"
)

func Example() {
	a := &analyze.Analysis{Ops: []analyze.Op{{Name: "fusion.3", Program: "jit_score", Layer: "layer_3", Scope: "jit(score)/layer_3/mlp/down/dot_general", Self: 1500}}}
	if err := profile.WriteFolded(os.Stdout, a); err != nil {
		fmt.Println(err)
	}
	// Output:
	// jit_score;layer_3;mlp;down;fusion.3 1500
}
