// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// TestDiffAcrossVendors compares one model on two vendors' GPUs: the layers must
// be matched one to one.
func TestDiffAcrossVendors(t *testing.T) {
	a, b := tracetest.Shared(t, "data/torch/h100_qwen15_05b.json.gz"), tracetest.Shared(t, "data/torch/mi300_qwen15_05b.json.gz")
	var stdout, stderr bytes.Buffer
	e := edge{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
	if code := run(t.Context(), e, []string{"diff", "--allow-mismatch", "--format", "json", a, b}); code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	var d struct {
		Alignment struct {
			Base    int `json:"layers_base"`
			New     int `json:"layers_new"`
			Matched int `json:"matched"`
		} `json:"alignment"`
		Conservation struct {
			Delta        int64 `json:"delta_ps"`
			Matched      int64 `json:"matched_ps"`
			Added        int64 `json:"added_ps"`
			Removed      int64 `json:"removed_ps"`
			Unattributed int64 `json:"unattributed_ps"`
		} `json:"conservation"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if al := d.Alignment; al.Base != 24 || al.New != 24 || al.Matched != 24 {
		t.Errorf("alignment %+v, want 24 of 24", al)
	}
	if c := d.Conservation; c.Delta != c.Matched+c.Added-c.Removed+c.Unattributed || c.Unattributed != 0 || c.Delta == 0 {
		t.Errorf("conservation %+v", c)
	}
}
