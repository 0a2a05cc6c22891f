// SPDX-License-Identifier: Apache-2.0

package program

import (
	"fmt"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/engine/internal/checkpoint"
)

func config(t *testing.T, spec string) *checkpoint.Config {
	t.Helper()
	m, err := checkpoint.Random(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	return m.Config()
}

// TestFLOPs: the matrix products of a dense decoder cost 2 per weight and
// token, the head 2 per weight and scored row. Qwen3-0.6B without its embedding
// has 440,401,920 matrix weights.
func TestFLOPs(t *testing.T) {
	c := config(t, "random:qwen3-0.6b")
	p, err := Build(c, Shape{Phase: "prefill", Tokens: 128, Rows: 1, Labels: 2})
	if err != nil {
		t.Fatal(err)
	}
	products, head := int64(0), int64(0)
	for _, s := range p.Segments {
		switch {
		case s.Weight.Role == "lm_head":
			head += s.FLOPs
		case s.Op == Linear:
			products += s.FLOPs
		case s.Op == LinearAdd:
			products += s.FLOPs - 128*int64(c.Hidden) // the residual
		}
	}
	if want := int64(2 * 128 * 440401920); products != want {
		t.Errorf("layers: %d FLOPs, wanted %d", products, want)
	}
	if want := int64(2 * 151936 * 1024); head != want {
		t.Errorf("head: %d FLOPs, wanted %d", head, want)
	}
}

// TestSegments: every segment has a path, a cost, live operands, and each value
// is freed exactly once after its last use.
func TestSegments(t *testing.T) {
	for _, spec := range []string{"random:qwen3-tiny", "random:qwen2-tiny", "random:llama-tiny", "random:gemma3-tiny"} {
		c := config(t, spec)
		for _, s := range []Shape{
			{Phase: "prefill", Tokens: 32, Rows: 1, Labels: 2},
			{Phase: "prefill", Tokens: 200, Rows: 130, Labels: 2},
			{Phase: "prefill", Tokens: 32, Store: true},
			{Phase: "prefill", Tokens: 32, Rows: 1, Labels: 1, Store: true},
			{Phase: "extend", Tokens: 32, Rows: 8, Labels: 2, Cache: 64},
		} {
			p, err := Build(c, s)
			if err != nil {
				t.Fatal(err)
			}
			checkSegments(t, spec+" "+s.Key(), p)
			if (p.Output == None) != (s.Rows == 0) {
				t.Errorf("%s: output %d", s.Key(), p.Output)
			}
		}
	}
}

func checkSegments(t *testing.T, name string, p *Program) {
	t.Helper()
	live, freed := map[Value]bool{}, map[Value]bool{}
	for i, s := range p.Segments {
		layer := fmt.Sprintf("score/%s/layer_%02d/", p.Shape.Phase, s.Layer)
		if !strings.HasPrefix(s.Scope, "score/"+p.Shape.Phase+"/") || (s.Layer >= 0) != strings.HasPrefix(s.Scope, layer) {
			t.Errorf("%s: segment %d is %s in layer %d", name, i, s.Scope, s.Layer)
		}
		if s.Bytes <= 0 || s.FLOPs < 0 || s.Detail == "" {
			t.Errorf("%s: %s costs %d FLOPs, %d bytes, %q", name, s.Scope, s.FLOPs, s.Bytes, s.Detail)
		}
		if s.In != None && !live[s.In] {
			t.Errorf("%s: %s reads value %d, which is not live", name, s.Scope, s.In)
		}
		if s.Out != None {
			if freed[s.Out] {
				t.Errorf("%s: %s writes value %d, which was freed", name, s.Scope, s.Out)
			}
			live[s.Out] = true
		}
		for _, v := range s.Free {
			if !live[v] {
				t.Errorf("%s: %s frees value %d, which is not live", name, s.Scope, v)
			}
			delete(live, v)
			freed[v] = true
		}
	}
	delete(live, p.Output)
	if len(live) > 0 {
		t.Errorf("%s: values %v are never freed", name, live)
	}
}

func TestBadShapes(t *testing.T) {
	c := config(t, "random:qwen3-tiny")
	for _, s := range []Shape{{}, {Tokens: -1}, {Tokens: 4, Rows: 1}, {Tokens: 4, Rows: 5, Labels: 1}, {Tokens: 4, Cache: -1}} {
		if _, err := Build(c, s); err == nil {
			t.Errorf("%+v: no error", s)
		}
	}
}

// TestPairs: worked by hand. A query of 3 (6 pairs) and items of 2 and 1 behind
// it: 3+2·3 and 1+3.
func TestPairs(t *testing.T) {
	if got := Pairs([]Run{{Len: 3}, {First: 3, Len: 2, Item: true}, {First: 5, Len: 1, Item: true}}, 0); got != 6+9+4 {
		t.Errorf("packed: %d", got)
	}
	if got := Pairs([]Run{{Len: 2, Item: true}}, 10); got != 3+20 {
		t.Errorf("extend: %d", got)
	}
}
