// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outline reads a document through blocks of every awkward size and returns one
// line an event ("phase name ts dur pid tid"), one a problem ("! code count")
// and the error.
func outline(tb testing.TB, doc string, opt Options) string {
	tb.Helper()
	var first string
	for _, size := range []int{1 << 20, 1, 2, 3, 7, 16, 64} {
		rd := NewBlockReader(&shredded{data: []byte(doc), size: size}, opt)
		var b strings.Builder
		recs, err := read(rd)
		for _, r := range recs {
			fmt.Fprintf(&b, "%s %s %s %s %s %s\n", r.Ph, r.Name, r.Ts, r.Dur, r.Pid, r.Tid)
		}
		if rd.Empty() > 0 {
			fmt.Fprintf(&b, "%d empty\n", rd.Empty())
		}
		for _, p := range rd.Problems() {
			fmt.Fprintf(&b, "! %s %d\n", p.Code, p.Count)
			if p.Offset < 0 || p.Offset > int64(len(doc)) || p.Msg == "" || p.Count < 1 {
				tb.Errorf("problem %+v of a document of %d bytes", p, len(doc))
			}
		}
		if err != nil {
			fmt.Fprintf(&b, "error: %v\n", err)
		}
		if int(rd.Events()) != len(recs) {
			tb.Errorf("Events() = %d, want %d", rd.Events(), len(recs))
		}
		if first == "" {
			first = b.String()
		} else if b.String() != first {
			tb.Errorf("%q in blocks of %d:\n%swant, as in one block,\n%s", doc, size, b.String(), first)
		}
	}
	return first
}

const (
	evA = `{"ph":"X","name":"a","ts":1,"dur":2,"pid":3,"tid":4}`
	evB = `{"ph":"X","name":"b","ts":1.5,"dur":0.25,"pid":3,"tid":4}`
	inA = "X a 1000000 2000000 3 4\n"
	inB = "X b 1500000 250000 3 4\n"
)

func TestForms(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"object", `{"traceEvents":[` + evA + `,` + evB + `]}`, inA + inB},
		{"array", `[` + evA + `,` + evB + `]`, inA + inB},
		{"empty array", `[]`, ""},
		{"empty object", `{}`, ""},
		{"no events", `{"traceEvents":[]}`, ""},
		{"null events", `{"traceEvents":null}`, ""},
		{"bom", "\xef\xbb\xbf[" + evA + "]", inA},
		{"space", " \r\n\t[ \r\n\t" + evA + " \r\n\t, \r\n" + evB + "\t]\r\n", inA + inB},
		{"10 KB of space", strings.Repeat(" ", 10<<10) + "[" + evA + "]", inA},
		{"jax tail", `{"traceEvents":[` + evA + `,{}]}`, inA + "1 empty\n"},
		{"empty among", `[{},{ },` + evA + `,{}]`, inA + "3 empty\n"},
		{"members around", `{"displayTimeUnit":"ns","metadata":{"a":[{}]},"traceEvents":[` + evA + `],"x":1,"y":"]}"}`, inA},
		{"events twice", `{"traceEvents":[` + evA + `],"traceEvents":[` + evB + `]}`, inA + inB},
		{"key with escapes", `{"trace\u0045vents":[` + evA + `]}`, inA},

		{"array cut between", `[` + evA + `,` + evB, inA + inB + "! unclosed 1\n"},
		{"array cut behind comma", `[` + evA + ",\n", inA + "! unclosed 1\n"},
		{"array cut at once", `[`, "! unclosed 1\n"},
		{"array cut inside", `[` + evA + `,` + evB[:20], inA + "! truncated 1\n"},
		{"object cut between", `{"traceEvents":[` + evA, inA + "! truncated 1\n"},
		{"object cut behind events", `{"traceEvents":[` + evA + `]`, inA + "! truncated 1\n"},
		{"object cut in member", `{"a":1,"b":"x`, "! truncated 1\n"},
		{"object cut in key", `{"a":1,"b`, "! truncated 1\n"},
		{"object cut in number", `{"a":12`, "! truncated 1\n"},

		{"trailing comma", `[` + evA + `,]`, inA + "! extra-comma 1\n"},
		{"leading comma", `[,` + evA + `]`, inA + "! extra-comma 1\n"},
		{"many commas", `[` + evA + `,, ,` + evB + `,,]`, inA + inB + "! extra-comma 4\n"},
		{"missing comma", `[` + evA + "\n" + evB + evA + `]`, inA + inB + inA + "! missing-comma 2\n"},
		{"missing comma at top", `{"a":1 "traceEvents":[` + evA + `] "b":2}`, inA},
		{"text behind", `[` + evA + `] and more`, inA + "! text-after-end 1\n"},
		{"text behind object", `{"traceEvents":[` + evA + `]}{"traceEvents":[` + evB + `]}`, inA + "! text-after-end 1\n"},

		{"not objects", `[1,"x{}",null,[` + evB + `],` + evA + `,true]`, inA + "! not-object 5\n"},

		{"nothing", "", "error: offset 0: found the end of the input, wanted '{' or '['\n"},
		{"only space", " \n", "error: offset 2: found the end of the input, wanted '{' or '['\n"},
		{"not json", "hello", "error: offset 0: found \"hello\", wanted '{' or '['\n"},
		{"bad top level", `{"traceEvents":[` + evA + `];}`, inA + "error: offset 69: found \";}\", wanted a member's name or '}'\n"},
		{"no colon", `{"traceEvents" [` + evA + `]}`, "error: offset 15: found \"[{\\\"ph\\\":\\\"X\\\",\\\"\", wanted ':'\n"},
		{"broken metadata", `{"env":{"A":"x"y"},"b":[},"traceEvents":[` + evA + `]}`, inA + "! bad-syntax 1\n"},
		{"broken metadata only", `{"env":{"A":"x"y"}}`, "! bad-syntax 1\nerror: offset 15: found \"y\\\"}}\", wanted a value\n"},
		{"metadata NaN", `{"m":{"a":NaN,"b":-inf},"c":Infinity,"traceEvents":[` + evA + `]}`, inA},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, outline(t, tt.in, Options{})); diff != "" {
				t.Errorf("%s: -want +got\n%s", tt.in, diff)
			}
		})
	}
}

func TestEvents(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"key order", `{"tid":4,"dur":2,"args":{"ts":9},"name":"a","pid":3,"ts":1,"ph":"X"}`, inA},
		{"space inside", "{ \"ph\" : \"X\" ,\r\n\"name\":\t\"a\" , \"ts\" : 1 , \"dur\" :2, \"pid\":3 ,\"tid\":4 }", inA},
		{"trailing comma inside", `{"ph":"X","name":"a","ts":1,"dur":2,"pid":3,"tid":4,}`, inA},
		{"every phase", `{"ph":"B"},{"ph":"E"},{"ph":"i"},{"ph":"I"},{"ph":"C"},{"ph":"b"},{"ph":"n"},{"ph":"e"},{"ph":"s"},{"ph":"t"},{"ph":"f"},{"ph":"P"},{"ph":"M"},{"ph":"("},{"ph":"="}`,
			"B     \nE     \ni     \nI     \nC     \nb     \nn     \ne     \ns     \nt     \nf     \nP     \nM     \n(     \n=     \n"},
		{"long phase", `{"ph":"XXX","name":"a"}`, "X a    \n"},
		{"escaped phase", `{"ph":"\u0058"}`, "X     \n"},
		{"escaped keys", `{"\u0070h":"X","n\u0061me":"a","\u0074s":1}`, "X a 1000000   \n"},
		{"duplicate keys", `{"ph":"B","ph":"X","name":"z","name":"a","ts":9,"ts":1}`, "X a 1000000   \n"},
		{"quoted times", `{"ph":"X","ts":"12.5","dur":"1e-06"}`, "X  12500000 1  \n"},
		{"negative times", `{"ph":"X","ts":-3,"dur":-0.5}`, "X  -3000000 -500000  \n"},
		{"null times", `{"ph":"X","ts":null,"dur":null}`, "X     \n"},
		{"no dur", `{"ph":"X","ts":1}`, "X  1000000   \n"},
		{"zero dur", `{"ph":"X","ts":1,"dur":0}`, "X  1000000 0  \n"},
		{"string ids", `{"ph":"X","pid":"Spans","tid":"PyTorch Profiler (0)"}`, "X    \"Spans\" \"PyTorch Profiler (0)\"\n"},
		{"id forms", `{"ph":"X","pid":-1,"tid":4294967297},{"ph":"X","pid":1.5,"tid":1e3},{"ph":"X","pid":99999999999999999999,"tid":9223372036854775807},{"ph":"X","pid":null,"tid":"7"}`,
			"X    -1 4294967297\nX    1.5 1e3\nX    99999999999999999999 9223372036854775807\nX     \"7\"\n"},
		{"odd names", `{"ph":"X","name":12},{"ph":"X","name":null},{"ph":"X","name":true}`, "X 12    \nX     \nX true    \n"},
		{"escapes in names", `{"ph":"X","name":"a\"b\\"},{"ph":"X","name":"\\\\\""},{"ph":"X","name":"\ud83d\ude00"},{"ph":"X","name":"\ud83d"}`,
			"X a\"b\\    \nX \\\\\"    \nX 😀    \nX \uFFFD    \n"},
		{"raw bytes in names", "{\"ph\":\"X\",\"name\":\"a\x01\tb\nc\"},{\"ph\":\"X\",\"name\":\"\xff\"}", "X a\x01\tb\nc    \nX \uFFFD    \n"},

		{"no phase", `{"name":"a"},{"ph":""},{"ph":1},{"ph":"X"}`, "X     \n! no-phase 3\n"},
		{"bad dur", `{"ph":"X","dur":"50a"},{"ph":"X","dur":50a},{"ph":"X","dur":true},{"ph":"X","dur":[1]},{"ph":"X","name":"a"}`, "X a    \n! bad-time 4\n"},
		{"bad ts", `{"ph":"X","ts":NaN,"args":{"a":"}"}},{"ph":"X","ts":Infinity},{"ph":"X","ts":1e400},{"ph":"X","ts":1.2.3},{"ph":"X","name":"a"}`, "X a    \n! bad-time 4\n"},
		{"time beyond range", `{"ph":"X","dur":9223372036854.775807},{"ph":"X","name":"a"}`, "X a    \n! bad-time 1\n"},
		{"NaN in args", `{"ph":"X","name":"a","args":{"x":NaN,"y":-Infinity,"z":inf}}`, "X a    \n"},
		{"args of other kinds", `{"ph":"X","args":null},{"ph":"X","args":"}"},{"ph":"X","args":[{"a":1}]},{"ph":"X","args":7}`, "X     \nX     \nX     \nX     \n"},
		{"bad ids", `{"ph":"X","pid":true},{"ph":"X","tid":{}},{"ph":"X","name":"a"}`, "X a    \n! bad-syntax 2\n"},
		{"no colon", `{"ph" "X"},` + evA, inA + "! bad-syntax 1\n"},
		{"no value", `{"ph":},` + evA, inA + "! bad-syntax 1\n"},
		{"no comma inside", `{"ph":"X" "name":"a"},` + evA, inA + "! bad-syntax 1\n"},
		{"no quotes", `{ph:"X"},` + evA, inA + "! bad-syntax 1\n"},
		{"quote missing", `{"ph":"X","name":"z,"ts":1,"args":{"a":"b"}},` + evA + `,` + evB, inA + inB + "! bad-syntax 1\n"},
		{"quote missing in args", `{"ph":"X","name":"z","args":{"a":"b,"c":"d"}},` + evA + `,` + evB, inA + inB + "! bad-syntax 1\n"},
		{"windows path", `{"ph":"X","name":"z","args":{"a":"C:\"}},` + evA + `,` + evB, inA + inB + "! bad-syntax 1\n"},
		{"wrong bracket", `{"ph":"X","args":{"a":[1}},` + evA, inA + "! bad-syntax 1\n"},
		{"brace missing", `{"ph":"X","args":{"a":1},` + evA + `,` + evB, inA + inB + "! bad-syntax 1\n"},
		{"brace too many", evA + `},` + evB, inA + inB + "! not-object 1\n"},
		{"frames are no events", `{"ph":"X",,"args":[{"name":"x"},{"name":"y"}},` + evA, inA + "! bad-syntax 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if diff := cmp.Diff(want, outline(t, "["+tt.in+"]", Options{})); diff != "" {
				t.Errorf("%s: -want +got\n%s", tt.in, diff)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	deepOK := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	tooDeep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	big := strings.Repeat("x", 40000)
	small := Options{MaxEvent: 10_000, MaxMember: 20_000}
	tests := []struct {
		name, in, want string
		opt            Options
	}{
		{"deep", `[{"ph":"X","args":{"a":` + deepOK + `}},` + evA + `]`, "X     \n" + inA, Options{}},
		{"too deep", `[{"ph":"X","args":{"a":` + tooDeep + `}},` + evA + `]`, inA + "! too-deep 1\n", Options{}},
		{"large", `[{"ph":"X","name":"z","args":{"a":"` + big + `"}},` + evA + `]`, "X z    \n" + inA, Options{}},
		{"too large", `[{"ph":"X","args":{"a":"` + big + `\"}"}},` + evA + `]`, inA + "! too-large 1\n", small},
		{"too large at the end", `[` + evA + `,{"ph":"X","args":{"a":"` + big, inA + "! too-large 1\n! truncated 1\n", small},
		{"large member", `{"m":"` + big + `\"","traceEvents":[` + evA + `],"n":[` + big + `],"o":1}`, inA + "! member-cut 2\n", small},
		{"deep member", `{"m":` + tooDeep + `,"traceEvents":[` + evA + `]}`, inA + "! member-cut 1\n", Options{}},
		{"large odd element", `["` + big + `",` + evA + `]`, inA + "! not-object 1\n", small},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, outline(t, tt.in, tt.opt)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	const doc = `{"displayTimeUnit":"ns","meta\u0064ata":{"highres-ticks": true},"traceEvents":[],
		"baseTimeNanoseconds": 1751410836000000000,"a":[1, 2],"a":null}`
	rd := NewReader(strings.NewReader(doc), Options{})
	if _, err := read(rd); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range rd.Members() {
		got = append(got, fmt.Sprintf("%s=%s", m.Key, m.Val))
		if !strings.HasPrefix(doc[m.Offset:], string(m.Val)) {
			t.Errorf("%s at offset %d", m.Key, m.Offset)
		}
	}
	want := []string{`displayTimeUnit="ns"`, `metadata={"highres-ticks": true}`, `baseTimeNanoseconds=1751410836000000000`, `a=[1, 2]`, `a=null`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	base, _ := rd.Member("baseTimeNanoseconds")
	if n, ok := base.Int(); n != 1751410836000000000 || !ok {
		t.Errorf("base time %d, %v", n, ok)
	}
	if v, found := rd.Member("a"); !found || string(v) != "null" {
		t.Errorf("a = %s, %v, want the last one", v, found)
	}
	if _, found := rd.Member("b"); found {
		t.Error("a member that is not there")
	}
}

func TestFields(t *testing.T) {
	const doc = `[{"ph":"f","cat":"ac2g","id":"0x1f","id2":{"local":"1"},"bp":"e","bind_id":7,"flow_in":true,"s":"g","tts":1.5,"sf":3,"stack":["a"],"bp":"x",
		"args":{"b":1,"tf_op":"one","tf_op":"two","a":{"tf_op":"three"}}},{"ph":"X","args":{"a":1}},{"ph":"X","args":{"tf_op":1},"args":{"a":1}}]`
	rd := NewReader(strings.NewReader(doc), Options{Want: []string{"a", "b", "tf_op", "none"}})
	ev, err := rd.Next()
	if err != nil {
		t.Fatal(err)
	}
	if len(ev.Fields) != 10 || string(ev.Cat) != "ac2g" {
		t.Errorf("%d fields, cat %s", len(ev.Fields), ev.Cat)
	}
	for key, want := range map[string]string{"id": `"0x1f"`, "id2": `{"local":"1"}`, "bind_id": `7`, "flow_in": `true`, "bp": `"x"`, "stack": `["a"]`} {
		if v, found := ev.Field(key); !found || string(v) != want {
			t.Errorf("%s = %s, %v, want %s", key, v, found, want)
		}
	}
	if _, found := ev.Field("args"); found {
		t.Error("args among the fields")
	}
	wants := func(want string) {
		t.Helper()
		var b bytes.Buffer
		for i := range 4 {
			fmt.Fprintf(&b, "%s|", ev.Want(i))
		}
		if b.String() != want {
			t.Errorf("wanted values %s, want %s", &b, want)
		}
	}
	wants(`{"tf_op":"three"}|1|"two"||`)
	if ev, err = rd.Next(); err != nil {
		t.Fatal(err)
	}
	wants(`1||||`)
	if len(ev.Fields) != 0 {
		t.Errorf("%d fields left from the event before", len(ev.Fields))
	}
	if ev, err = rd.Next(); err != nil {
		t.Fatal(err)
	}
	wants(`1||||`)
}

// TestManyKeys: keys of args beyond what the reader remembers, and wanted ones
// among them, in changing order.
func TestManyKeys(t *testing.T) {
	var want []string
	for i := range 300 {
		want = append(want, fmt.Sprintf("w%d", i))
	}
	var doc strings.Builder
	doc.WriteString("[")
	for n := range 20 {
		fmt.Fprintf(&doc, `{"ph":"X","args":{`)
		for i := range 300 {
			fmt.Fprintf(&doc, `"k%d_%d":0,"w%d":%d,`, n, i, i*7%300, n+i*7%300)
		}
		fmt.Fprintf(&doc, `"":0}},`)
	}
	rd := NewReader(strings.NewReader(doc.String()), Options{Want: want})
	for n := range 20 {
		ev, err := rd.Next()
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			v := ev.Want(i)
			if got, _ := v.Int(); got != int64(n+i) {
				t.Fatalf("event %d: %s = %s", n, want[i], v)
			}
		}
	}
}

func TestOffset(t *testing.T) {
	doc := `{"a":1, "traceEvents": [` + evA + `, ` + evB + `]}`
	rd := NewBlockReader(&shredded{data: []byte(doc), size: 11}, Options{})
	for _, want := range []string{evA, evB} {
		ev, err := rd.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(doc[ev.Offset:], want) {
			t.Errorf("offset %d", ev.Offset)
		}
	}
}

// TestOrigin: times on the Unix clock do not fit int64 picoseconds; neighbours
// keep their order and distance nevertheless.
func TestOrigin(t *testing.T) {
	doc := `[{"ph":"M","ts":0},{"ph":"X","ts":1750244461563845.25,"dur":1},{"ph":"X","ts":1750244461563845.250001},` +
		`{"ph":"X","ts":"1.75024446156384525e15"},{"ph":"X","ts":1750244461000000},{"ph":"X","ts":5,"name":"far"}]`
	rd := NewReader(strings.NewReader(doc), Options{})
	var got []int64
	for {
		ev, err := rd.Next()
		if err != nil {
			break
		}
		if ev.Ph == 'X' {
			got = append(got, ev.Ts)
		}
	}
	if want := int64(1750244461000000); rd.Origin() != want {
		t.Errorf("origin %d, want %d", rd.Origin(), want)
	}
	if diff := cmp.Diff([]int64{563_845_250_000, 563_845_250_001, 563_845_250_000, 0}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if p := rd.Problems(); len(p) != 1 || p[0].Code != BadTime {
		t.Errorf("problems %v, want one bad time", p)
	}
}

func TestInputErrors(t *testing.T) {
	doc := `{"traceEvents":[` + evA + `,` + evB + `,{"ph":`
	for size := 1; size < 100; size += 7 {
		rd := NewBlockReader(&shredded{data: []byte(doc), size: size, err: errDisk}, Options{})
		recs, err := read(rd)
		if len(recs) != 2 || !errors.Is(err, errDisk) {
			t.Errorf("%d events, %v, want 2 and %v", len(recs), err, errDisk)
		}
		cut := fmt.Errorf("gzip offset 7: %w", io.ErrUnexpectedEOF)
		rd = NewBlockReader(&shredded{data: []byte(doc), size: size, err: cut}, Options{})
		recs, err = read(rd)
		p := rd.Problems()
		if len(recs) != 2 || err != nil || len(p) != 1 || p[0].Code != Truncated || !strings.Contains(p[0].Msg, "gzip offset 7") {
			t.Errorf("%d events, %v, %v, want 2 and a truncation", len(recs), err, p)
		}
	}
	// The input fails behind the document.
	whole := doc[:len(doc)-len(`,{"ph":`)] + "]}"
	rd := NewBlockReader(&shredded{data: []byte(whole), size: 9, err: errDisk}, Options{})
	if recs, err := read(rd); len(recs) != 2 || !errors.Is(err, errDisk) {
		t.Errorf("%d events, %v", len(recs), err)
	}
	if _, err := rd.Next(); !errors.Is(err, errDisk) {
		t.Errorf("the error does not last: %v", err)
	}
	stuck := NewReader(idle{}, Options{})
	if _, err := stuck.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%v, want %v", err, io.ErrNoProgress)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestProblemText(t *testing.T) {
	p := Problem{BadSyntax, 12, 3, "found x, wanted y"}
	if got, want := p.String(), "offset 12: found x, wanted y (and 2 more like it)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
