// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"testing"

	"github.com/layerscope/layerscope/trace/hlo"
)

// A module may lack a parameter's number: one flipped bit does that.
func TestBucketShapes(t *testing.T) {
	for text, want := range map[string]string{
		"  %ids = s32[4,128]{1,0} parameter(0)\n  %w = bf16[8]{0} parameter(1)\n  %n = u32[] parameter(2)\n": "s32[4,128], u32[]",
		"  %ids = s32[4,128]{1,0} parameter(2)\n  %w = bf16[8]{0} parameter(1)\n  %n = f32[] constant(1)\n":  "s32[4,128]",
		"  %w = bf16[8]{0} parameter(0)\n": "",
	} {
		m, err := hlo.ParseText("HloModule jit_f\n\nENTRY %main {\n" + text + "  ROOT %r = f32[] constant(0)\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := bucketShapes(m); got != want {
			t.Errorf("%q, want %q of\n%s", got, want, text)
		}
	}
	if bucketShapes(nil) != "" || bucketShapes(&hlo.Module{}) != "" {
		t.Error("shapes of no module")
	}
}
