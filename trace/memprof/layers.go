// SPDX-License-Identifier: Apache-2.0

package memprof

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A LayerFilter chooses the layers whose memory is looked at; the zero value
// chooses none.
type LayerFilter struct {
	every int
	list  []int
}

// ParseLayers reads a filter: "all"; "none"; "4", every fourth layer from 0 on;
// "0,3,27" or "5,", a list.
func ParseLayers(s string) (LayerFilter, error) {
	s = strings.TrimSpace(s)
	switch s {
	case "all":
		return LayerFilter{every: 1}, nil
	case "none", "":
		return LayerFilter{}, nil
	}
	bad := fmt.Errorf("layers %q: want all, none, a number n for every n-th, or a list such as 0,3,27", s)
	if !strings.Contains(s, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return LayerFilter{}, bad
		}
		return LayerFilter{every: n}, nil
	}
	var f LayerFilter
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return LayerFilter{}, bad
		}
		f.list = append(f.list, n)
	}
	if len(f.list) == 0 {
		return LayerFilter{}, bad
	}
	return f, nil
}

// Has says whether layer i is chosen.
func (f LayerFilter) Has(i int) bool {
	return i >= 0 && (f.every > 0 && i%f.every == 0 || slices.Contains(f.list, i))
}
