// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/engine/internal/arena"
)

// MemorySnapshot is the device's live buffers at the end of a layer or a pass.
type MemorySnapshot struct {
	RequestID string
	Stage     string // "prefill" or "extend"
	Layer     int    // -1 at the end of the pass
	Scope     string // "score/prefill/layer_03"
	Stats     arena.Stats
	Live      []arena.Record // in the order of allocation; sizes add up to Stats.BytesInUse
}

// Memory returns the live buffers now.
func (e *Engine) Memory() MemorySnapshot {
	return MemorySnapshot{Layer: -1, Stats: e.back.MemStats(), Live: e.back.Live()}
}

// layerFilter chooses layers; the zero value chooses none.
type layerFilter struct {
	every int
	list  []int
}

func parseLayers(s string) (layerFilter, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return layerFilter{}, nil
	case s == "all":
		return layerFilter{every: 1}, nil
	case !strings.Contains(s, ","):
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return layerFilter{}, fmt.Errorf("snapshot layers %q, wanted all, a number or a list", s)
		}
		return layerFilter{every: n}, nil
	}
	f := layerFilter{}
	for _, part := range strings.Split(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return layerFilter{}, fmt.Errorf("snapshot layers %q: %q, wanted a layer's number", s, part)
		}
		f.list = append(f.list, n)
	}
	return f, nil
}

func (f layerFilter) has(layer int) bool {
	return f.every > 0 && layer%f.every == 0 || slices.Contains(f.list, layer)
}
