// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
)

// withMemory is a capture with an allocator's events.
func withMemory(t *testing.T) *analyze.Analysis {
	t.Helper()
	a := model{layers: 4, steps: 3}.analysis()
	a.Allocators = memoryUse().Allocators
	return a
}

// TestMemoryPage: the page has each allocator's chart with its peak, who was alive
// then, and nothing of a hostile name but text.
func TestMemoryPage(t *testing.T) {
	page := htmlOf(t, Memory(memoryUse(), memoryGrowth(), Options{}))
	for _, want := range []string{
		`<p class="kind">layerscope memory</p>`, "Memory in use, GPU_0_bfc", "peak 165 B at 1.000 µs", `aria-labelledby="memory0-t memory0-d"`,
		"Alive at the peak of GPU_0_bfc", "unused preallocated device memory", "Live buffers", "Growth", "leak-suspect",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<script>alert") {
		t.Error("a name is markup")
	}
	if strings.Count(page, "<svg") != 1 {
		t.Errorf("%d charts, want that of the allocator", strings.Count(page, "<svg"))
	}
}

// TestReportPageHasMemory: the report of a capture with allocator events shows them.
func TestReportPageHasMemory(t *testing.T) {
	page := htmlOf(t, New(withMemory(t), Options{}))
	for _, want := range []string{`<section id="memory"`, "Memory in use, GPU_0_bfc", "Who is alive", "Alive at the peak of GPU_0_bfc"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if page := htmlOf(t, New(model{layers: 4, steps: 3}.analysis(), Options{})); strings.Contains(page, `id="memory"`) {
		t.Error("a capture without allocator events has a section about them")
	}
}
