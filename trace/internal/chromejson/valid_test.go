// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestValidDocuments: on random valid JSON, with members in any order, doubled,
// escaped, of odd types and nested, the events are those of encoding/json.
func TestValidDocuments(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &jsonGen{r: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))}
		doc := g.document()
		if !json.Valid([]byte(doc)) {
			t.Fatalf("the generator is wrong: %s", doc)
		}
		want := reference(t, []byte(doc))
		rd := NewBlockReader(&shredded{data: []byte(doc), size: 1 + g.r.IntN(200)}, Options{})
		got, err := read(rd)
		if err != nil {
			rt.Fatalf("%s: %v", doc, err)
		}
		if len(want)+len(got) > 0 && !reflect.DeepEqual(want, got) {
			rt.Fatalf("%s: -want +got\n%s", doc, cmp.Diff(want, got))
		}
	})
}

type jsonGen struct{ r *rand.Rand }

func (g *jsonGen) pick(s ...string) string { return s[g.r.IntN(len(s))] }

func (g *jsonGen) space() string {
	return g.pick("", "", "", "", "", " ", "\n    ", "\r\n\t", "             ")
}

func (g *jsonGen) document() string {
	if g.r.IntN(3) == 0 {
		return g.space() + g.events() + g.space()
	}
	var members []string
	for range g.r.IntN(4) {
		members = append(members, g.str()+g.space()+":"+g.space()+g.value(3))
	}
	for range g.r.IntN(3) {
		at := g.r.IntN(len(members) + 1)
		members = append(members[:at:at], append([]string{`"traceEvents"` + g.space() + ":" + g.space() + g.events()}, members[at:]...)...)
	}
	return g.space() + "{" + g.space() + g.join(members) + g.space() + "}" + g.space()
}

func (g *jsonGen) join(parts []string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(g.space() + "," + g.space())
		}
		b.WriteString(p)
	}
	return b.String()
}

func (g *jsonGen) events() string {
	var elems []string
	for range g.r.IntN(6) {
		e := g.event()
		if g.r.IntN(10) == 0 {
			e = g.value(2)
		}
		elems = append(elems, e)
	}
	return "[" + g.space() + g.join(elems) + g.space() + "]"
}

func (g *jsonGen) event() string {
	members := []string{`"ph":"` + g.pick("X", "X", "B", "E", "M", "i", "XX", `\u0058`) + `"`}
	for range g.r.IntN(9) {
		var val string
		key := g.pick("name", "cat", "ts", "dur", "pid", "tid", "args", "id", "id2", "tts", "ph", `n\u0061me`, "arg", "names", "")
		switch key {
		case "ts", "dur":
			val = g.number()
			if g.r.IntN(8) == 0 {
				val = g.pick(`"`+val+`"`, "null", "true", `"x"`, "[]")
			}
		case "pid", "tid":
			val = g.pick("0", "1", "701", "-5", "4294967297", "1.5", `"Spans"`, "null", "{}", "1e2", "123456789012345678901")
		case "ph":
			val = g.pick(`"X"`, `"X"`, `""`, "1", "null")
		default:
			val = g.value(3)
		}
		members = append(members, `"`+key+`"`+g.space()+":"+g.space()+val)
	}
	g.r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + g.space() + g.join(members) + g.space() + "}"
}

func (g *jsonGen) number() string {
	s := g.pick("", "", "", "-") + strconv.Itoa(g.r.IntN(1<<g.r.IntN(36)))
	if g.r.IntN(3) > 0 {
		s += "." + strconv.FormatUint(g.r.Uint64()>>g.r.IntN(60), 10)
	}
	if g.r.IntN(8) == 0 {
		s += g.pick("e-06", "E+2", "e0", "e-30")
	}
	return s
}

func (g *jsonGen) str() string {
	var b strings.Builder
	for range g.r.IntN(12) {
		b.WriteString(g.pick("a", "bc", "traceEvents", "{", "}", "[", "]", ",", ":", `\"`, `\\`, `\n`, `\u0041`, `\ud83d\ude00`, `\ud83d`, "é", "😀", " ", "fusion.1234567890123456789012345678901234567890"))
	}
	return `"` + b.String() + `"`
}

func (g *jsonGen) value(depth int) string {
	kind := g.r.IntN(8)
	if depth == 0 {
		kind = g.r.IntN(4)
	}
	switch kind {
	case 0, 1, 4:
		return g.str()
	case 2:
		return g.number()
	case 3:
		return g.pick("true", "false", "null")
	case 5:
		var elems []string
		for range g.r.IntN(4) {
			elems = append(elems, g.value(depth-1))
		}
		return "[" + g.space() + g.join(elems) + g.space() + "]"
	}
	var members []string
	for range g.r.IntN(4) {
		members = append(members, g.str()+g.space()+":"+g.space()+g.value(depth-1))
	}
	return "{" + g.space() + g.join(members) + g.space() + "}"
}
