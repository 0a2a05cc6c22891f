// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"testing"

	"github.com/layerscope/layerscope/analyze"
)

// TestUnsaid: a finding that the comparison states for a side is not repeated;
// the other side's doesn't stand for it.
func TestUnsaid(t *testing.T) {
	said := []analyze.Finding{{Code: "disturbed-steps", Message: "new: 2 of 12 steps"}, {Code: "mostly-idle", Message: "base: 1 of 1"}}
	fs := []analyze.Finding{{Code: "disturbed-steps", Message: "2 of 12"}, {Code: "mostly-idle", Message: "1 of 1"}, {Code: "truncated"}}
	got := unsaid(fs, said, "new")
	if len(got) != 2 || got[0].Code != "mostly-idle" || got[1].Code != "truncated" || len(fs) != 3 || fs[0].Code != "disturbed-steps" {
		t.Errorf("%+v of %+v", got, fs)
	}
}
