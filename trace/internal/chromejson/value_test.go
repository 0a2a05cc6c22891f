// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKind(t *testing.T) {
	tests := map[string]Kind{
		``: None, `"a"`: String, `""`: String, `1`: Number, `-1.5e3`: Number, `true`: Bool, `false`: Bool,
		`null`: Null, `{}`: Object, `[1]`: Array,
		`NaN`: Invalid, `Infinity`: Invalid, `-inf`: Invalid, `-`: Invalid, `truth`: Invalid, `nul`: Invalid,
	}
	for v, want := range tests {
		if got := Value(v).Kind(); got != want {
			t.Errorf("Kind(%s) = %d, want %d", v, got, want)
		}
	}
}

func TestValueAll(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{`{}`, nil},
		{`{ }`, nil},
		{`{"a":1}`, []string{`a=1`}},
		{"{\r\n\t\"a\" : 1 ,\n \"b\" : \"x\" }", []string{`a=1`, `b="x"`}},
		{`{"a":{"b":[1,{"c":"}"}]},"d":[],"e":null,"f":-1.5e3}`, []string{`a={"b":[1,{"c":"}"}]}`, `d=[]`, `e=null`, `f=-1.5e3`}},
		{`{"k\"ey":"v\\"}`, []string{`k\"ey="v\\"`}},
		{`{"":""}`, []string{`=""`}},
		{`{"a":NaN,"b":-inf,"c":1}`, []string{`a=NaN`, `b=-inf`, `c=1`}},
		{`{"a":1,}`, []string{`a=1`}},
		{`{"a":1,"b":}`, []string{`a=1`}},
		{`{"a":1 "b":2}`, []string{`a=1`}},
		{`{"a":1,b:2}`, []string{`a=1`}},
		{`{"a":1,"b`, []string{`a=1`}},
		{`{"a"`, nil},
		{`[1]`, nil},
		{`"a"`, nil},
		{``, nil},
	}
	for _, tt := range tests {
		var got []string
		for k, v := range Value(tt.in).All() {
			got = append(got, fmt.Sprintf("%s=%s", k, v))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("All(%s): -want +got\n%s", tt.in, diff)
		}
	}
	for k := range Value(`{"a":1,"b":2}`).All() {
		if string(k) == "b" {
			t.Error("All goes on after a break")
		}
		break
	}
}

func TestValueElems(t *testing.T) {
	tests := []struct{ in, want string }{
		{`[]`, ``},
		{`[ ]`, ``},
		{`[1, "a" ,[2,3],{"b":4},null]`, `1|"a"|[2,3]|{"b":4}|null`},
		{`[1,]`, `1`},
		{`[1 2]`, `1`},
		{`{"a":1}`, ``},
	}
	for _, tt := range tests {
		var got []string
		for v := range Value(tt.in).Elems() {
			got = append(got, string(v))
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("Elems(%s) = %s, want %s", tt.in, s, tt.want)
		}
	}
	if n := len(slices.Collect(Value(`[[1,2],[3]]`).Elems())); n != 2 {
		t.Errorf("%d elements, want 2", n)
	}
}

func TestValueLookup(t *testing.T) {
	v := Value(`{"a":"1","a":"2","t\u0066_op":"x","n":"18446744073709551615","f":"1.5","i":-7,"us":"0.25"}`)
	if got, found := v.Lookup("a"); !found || string(got) != `"2"` {
		t.Errorf("a = %s, %v, want the last one", got, found)
	}
	if got, found := v.Lookup("tf_op"); !found || string(got.Raw()) != "x" {
		t.Errorf("tf_op = %s, %v: a key written with escapes", got, found)
	}
	if got, found := v.Lookup("b"); found || got != nil {
		t.Errorf("b = %s, %v, want none", got, found)
	}
	look := func(key string) Value { got, _ := v.Lookup(key); return got }
	if n, ok := look("n").Uint(); n != math.MaxUint64 || !ok {
		t.Errorf("n = %d, %v", n, ok)
	}
	if _, ok := look("n").Int(); ok {
		t.Error("n fits int64")
	}
	if n, ok := look("i").Int(); n != -7 || !ok {
		t.Errorf("i = %d, %v", n, ok)
	}
	if n, ok := look("f").Float(); n != 1.5 || !ok {
		t.Errorf("f = %v, %v", n, ok)
	}
	if n, ok := look("us").Micros(); n != 250_000 || !ok {
		t.Errorf("us = %v, %v", n, ok)
	}
	if s := string(Value(`"\u0041b"`).AppendText([]byte("-"))); s != "-Ab" {
		t.Errorf("text %q", s)
	}
	if s := string(Value(`12`).AppendText(nil)); s != "12" {
		t.Errorf("text %q", s)
	}
}
