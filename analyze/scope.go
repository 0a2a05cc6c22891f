// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/layerscope/layerscope/trace/hlo"
)

// A folded scope is an op's scope path without the wrappers that jit, autodiff
// and control flow put around it.
type folded struct {
	raw   string
	parts []string // folded path, without the primitive
	prim  string   // the primitive: "dot_general"
	dir   hlo.Direction
	layer int32 // explicit layer index in the path; -1 = none
	inner int   // index in parts of the first part inside the layer
	stack string
}

// path joins the folded parts.
func (f *folded) path() string { return strings.Join(f.parts, "/") }

// maxDepth is how deep scopes are told apart; real ones nest a dozen deep. Each level
// is a row, and sums of an op go to all of its levels.
const maxDepth = 64

// foldScope folds a scope path once; cache holds what was folded before.
func foldScope(cache map[string]folded, raw string) folded {
	if f, ok := cache[raw]; ok {
		return f
	}
	f := folded{raw: raw, layer: -1}
	if raw != "" {
		s := hlo.FoldScope(raw)
		f.parts, f.prim, f.dir = s.Path[:min(len(s.Path), maxDepth)], s.Op, s.Direction
		f.findLayer()
		if f.layer < 0 && strings.ContainsAny(f.prim, ".[") {
			// An op that still has a parameter's name: its layer is in the name.
			if m := layerPattern().FindStringSubmatch(f.prim); m != nil {
				f.layer, f.inner = atoi32(m[3]), len(f.parts)
			}
		}
	}
	cache[raw] = f
	return f
}

// layerPattern matches a part of a scope path that names a layer: layer_3,
// layers.3, layers[3], h_3, blocks_3, decoder_layer_3, …model.layers.3.mlp….
var layerPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(^|[._\['"/])((?:[a-z]+_)?layers?|(?:[a-z]+_)?blocks?|h)[_.\[\]'"]*([0-9]{1,5})(?:$|[\]._'"/:])`)
})

// findLayer looks for the first part with an explicit index, in one part
// ("layer_3") or two ("layers/3").
func (f *folded) findLayer() {
	for i, p := range f.parts {
		if i+1 < len(f.parts) && layerWord(p) && isNumber(f.parts[i+1]) {
			f.layer, f.inner = atoi32(f.parts[i+1]), i+2
			f.stack = stackName(f.parts[:i], p)
			return
		}
		if !strings.ContainsAny(p, "0123456789") {
			continue
		}
		if m := layerPattern().FindStringSubmatch(strings.ToLower(p)); m != nil {
			f.layer, f.inner = atoi32(m[3]), i+1
			f.stack = stackName(f.parts[:i], m[2])
			return
		}
	}
}

// stackNames are words that tell the stacks of one model apart.
var stackNames = []string{"encoder", "decoder", "draft", "vision", "audio"}

// stackName tells stacks of layers apart: for encoders and decoders, whose layers
// are often called the same, by the part that says which; for models of which some
// layers are dense and others have experts, each counted from 0, by the word itself.
func stackName(before []string, word string) string {
	word = strings.ToLower(word)
	stack := ""
	for _, p := range append(slices.Clone(before), word) {
		p = strings.ToLower(p)
		i := slices.IndexFunc(stackNames, func(name string) bool { return strings.Contains(p, name) })
		if i >= 0 {
			stack = stackNames[i]
			break
		}
	}
	switch word {
	case "dense_layers", "moe_layers":
		return strings.TrimPrefix(stack+"/"+strings.TrimSuffix(word, "_layers"), "/")
	}
	return stack
}

func layerWord(p string) bool {
	switch strings.ToLower(p) {
	case "layer", "layers", "block", "blocks", "h", "decoder_layers", "encoder_layers", "decoderlayer":
		return true
	}
	return false
}

func isNumber(p string) bool {
	_, err := strconv.ParseUint(p, 10, 16)
	return err == nil
}

func atoi32(p string) int32 {
	n, err := strconv.ParseInt(p, 10, 32)
	if err != nil {
		return -1
	}
	return int32(n)
}
