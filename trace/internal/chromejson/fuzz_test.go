// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/trace/internal/chromejson/chromejsongen"
)

// FuzzReader: no input panics; the outcome does not depend on how the input
// comes in blocks; every getter can be called; and what encoding/json accepts
// gives the events that encoding/json finds.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		`{"displayTimeUnit":"ns","metadata":{"highres-ticks":true},"traceEvents":[` + evA + `,{}]}`,
		`[` + evA + `,` + evB + `,`,
		`[{"ph":"X","name":"a\"b","args":{"a":NaN,"b":[{"c":"}"}]},"ts":"1e-06","dur":0.0000005,"id2":{"local":"0x1"}}]`,
		"\xef\xbb\xbf{\"traceEvents\":[{\"ph\":\"\\u0058\",\"pid\":\"Spans\",\"tid\":1.5}],\"traceEvents\":[null,1,\"x\"],\"baseTimeNanoseconds\":1}",
		`[{"ph":"X","name":"C:\"},` + evA + `]x`,
	} {
		f.Add([]byte(s))
	}
	small, _ := document(f, chromejsongen.Spec{Events: 2})
	f.Add(small)
	small, _ = document(f, chromejsongen.Spec{Events: 2, Style: chromejsongen.Kineto})
	f.Add(small)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		opt := Options{Want: []string{"a", "tf_op"}}
		rd := NewReader(bytes.NewReader(data), opt)
		got, err := read(rd)
		walk(t, data, opt)
		for _, size := range []int{1, 5, 33} {
			other := NewBlockReader(&shredded{data: data, size: size}, opt)
			again, err2 := read(other)
			if !reflect.DeepEqual(got, again) || (err == nil) != (err2 == nil) || !reflect.DeepEqual(counts(rd), counts(other)) {
				t.Fatalf("blocks of %d: -whole +blocks\n%s%s\n%v %v", size, cmp.Diff(got, again), cmp.Diff(counts(rd), counts(other)), err, err2)
			}
		}
		doc := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		if start := bytes.TrimLeft(doc, " \t\r\n"); !json.Valid(doc) || !utf8.Valid(doc) || start[0] != '{' && start[0] != '[' {
			return
		}
		if err != nil {
			t.Fatalf("valid JSON is refused: %v", err)
		}
		if bytes.Count(data, []byte("[")) > 500 {
			return
		}
		compareEvents(t, reference(t, doc), got, rd.Origin())
	})
}

// counts returns a reader's problems without their messages, which quote what
// was in view.
func counts(rd *Reader) []Problem {
	ps := slices.Clone(rd.Problems())
	for i := range ps {
		ps[i].Msg = ""
	}
	return ps
}

// compareEvents holds the reader's events against the reference's, but for
// those too far from the origin.
func compareEvents(t *testing.T, want, got []record, origin int64) {
	t.Helper()
	want = slices.DeleteFunc(want, func(r record) bool {
		us, _ := new(big.Rat).SetString(r.Ts + "/1000000")
		if r.Ts == "" {
			return false
		}
		d, _ := us.Sub(us, new(big.Rat).SetInt64(origin)).Float64()
		return d > maxMicro || d < -maxMicro || math.Abs(d+float64(origin)) > maxWhole
	})
	if !reflect.DeepEqual(want, got) && len(want)+len(got) > 0 {
		t.Fatalf("-want +got\n%s", cmp.Diff(want, got))
	}
}

// walk reads the document again and calls what can be called on its events.
func walk(t *testing.T, data []byte, opt Options) {
	rd := NewReader(bytes.NewReader(data), opt)
	limit := len(data)
	for {
		ev, err := rd.Next()
		if err != nil {
			break
		}
		if limit--; limit < 0 {
			t.Fatal("more events than bytes")
		}
		ev.Field("id")
		ev.Args.Lookup("a")
		visit(ev.Args, 0)
		for _, f := range ev.Fields {
			visit(f.Val, 0)
		}
		for i := range opt.Want {
			v := ev.Want(i)
			if want, _ := ev.Args.Lookup(opt.Want[i]); v != nil && !bytes.Equal(want, v) && !bytes.Contains(ev.Args, []byte(`\`)) {
				t.Fatalf("wanted %s is %s, Lookup says %s in %s", opt.Want[i], v, want, ev.Args)
			}
		}
	}
	for _, m := range rd.Members() {
		visit(m.Val, 0)
	}
}

func visit(v Value, depth int) {
	v.Kind()
	v.AppendText(nil)
	v.Int()
	v.Float()
	v.Micros()
	if depth > 20 {
		return
	}
	for _, x := range v.All() {
		visit(x, depth+1)
	}
	for x := range v.Elems() {
		visit(x, depth+1)
	}
}
