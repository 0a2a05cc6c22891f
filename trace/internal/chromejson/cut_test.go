// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/trace/internal/chromejson/chromejsongen"
)

// TestCutAnywhere cuts documents at every byte: the events are a prefix of the
// whole document's, every event that is whole is among them, and the loss is
// reported.
func TestCutAnywhere(t *testing.T) {
	tpu, _ := document(t, chromejsongen.Spec{Events: 3, Seed: 3})
	kineto, _ := document(t, chromejsongen.Spec{Events: 3, Seed: 3, Style: chromejsongen.Kineto})
	for _, doc := range []string{
		string(tpu), string(kineto),
		"\xef\xbb\xbf[" + evA + "," + evB + ", {}," + evA + "]",
		`{"a":{"b":[1,"x\"y\\"]},"traceEvents":[` + evA + `,{"ph":"X","name":"\ud83d\ude00\\","args":{"x":"\"","y":[{}]},"ts":1.5e-3,"dur":"12.5"}],"baseTimeNanoseconds":12345}`,
	} {
		for _, size := range []int{1 << 20, 61} {
			all, err := read(NewReader(strings.NewReader(doc), Options{}))
			if err != nil {
				t.Fatal(err)
			}
			ends := eventEnds(t, doc)
			for n := range len(strings.TrimSpace(doc)) {
				cutAt(t, doc[:n], size, all, ends)
			}
		}
	}
}

// eventEnds returns the places behind the whole events of a document.
func eventEnds(t *testing.T, doc string) (ends []int) {
	t.Helper()
	rd := NewReader(strings.NewReader(doc), Options{})
	for {
		ev, err := rd.Next()
		if err != nil {
			return ends
		}
		end, st := containerEnd([]byte(doc), int(ev.Offset))
		if st != ok {
			t.Fatalf("event at %d does not end", ev.Offset)
		}
		ends = append(ends, end)
	}
}

func cutAt(t *testing.T, doc string, size int, all []record, ends []int) {
	t.Helper()
	rd := NewBlockReader(&shredded{data: []byte(doc), size: size}, Options{})
	got, err := read(rd)
	whole := 0
	for whole < len(ends) && ends[whole] <= len(doc) {
		whole++
	}
	var syntax *SyntaxError
	if errors.As(err, &syntax) && (doc == "" || doc == "\xef" || doc == "\xef\xbb" || doc == "\xef\xbb\xbf") {
		return // nothing there
	}
	if err != nil || len(got) != whole || whole > 0 && !reflect.DeepEqual(got, all[:whole]) {
		t.Fatalf("cut at %d, blocks of %d: %d events, %v, want the first %d", len(doc), size, len(got), err, whole)
	}
	p := rd.Problems()
	if len(p) != 1 || p[0].Code != Truncated && p[0].Code != Unclosed || p[0].Offset != int64(len(doc)) {
		t.Fatalf("cut at %d, blocks of %d: problems %v", len(doc), size, p)
	}
	for _, m := range rd.Members() {
		if m.Key == "baseTimeNanoseconds" && doc[len(doc)-1]-'0' <= 9 {
			t.Fatalf("cut at %d: base time %s from a number that goes on", len(doc), m.Val)
		}
	}
}

// TestDamage flips, drops, doubles and moves bytes: no panic, no hang, the same
// outcome whatever the blocks are, and never more than a few events lost for
// one changed byte.
func TestDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	tpu, _ := document(t, chromejsongen.Spec{Events: 12, Seed: 5})
	kineto, _ := document(t, chromejsongen.Spec{Events: 12, Seed: 5, Style: chromejsongen.Kineto})
	lost := 0
	const rounds = 1000
	for i := range rounds {
		doc := append([]byte(nil), tpu...)
		if i%2 == 1 {
			doc = append([]byte(nil), kineto...)
		}
		total := len(mustRead(t, doc))
		at := 100 + r.IntN(len(doc)-200) // inside the events, mostly
		switch i / 2 % 4 {
		case 0:
			doc[at] ^= 1 << r.IntN(8)
		case 1:
			doc = append(doc[:at], doc[at+1+r.IntN(20):]...)
		case 2:
			doc = append(doc[:at:at], doc[at-r.IntN(50):]...)
		case 3:
			doc[at] = `"\{}[]:,`[r.IntN(8)]
		}
		whole := outline(t, string(doc), Options{})
		got := strings.Count(whole, "\nX ") + strings.Count(whole, "\nM ") + strings.Count(whole, "\nf ") + 1
		lost += max(0, total-got)
	}
	if lost > rounds {
		t.Errorf("%d events lost in %d files with one fault each", lost, rounds)
	}
}

func mustRead(t *testing.T, doc []byte) []record {
	t.Helper()
	recs, err := read(NewReader(strings.NewReader(string(doc)), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return recs
}

// TestHostile: inputs made to cost time or memory end in reasonable time, which
// the test's own timeout checks, and in a bounded window.
func TestHostile(t *testing.T) {
	for name, unit := range map[string]string{
		"quotes":      `"`,
		"backslashes": `\`,
		"opened":      `{"ph":"X","args":{`,
		"unended":     `{"ph":"X","name":"`,
		"broken":      `{"ph":"X","args":{"a":"b,"c":1}},`,
		"brackets":    `[`,
		"braces":      `{`,
		"commas":      `,`,
		"escapes":     `{"ph":"\u00`,
		"numbers":     `9`,
		"dots":        `{"ph":"X","ts":.`,
		"keys":        `{"k`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, head := range []string{`[`, `{"traceEvents":[`, `{`, `[{"ph":"X","args":{"a":"`, `[{"ph":"X","ts":`, `{"m":"`} {
				src := &endless{head: head, unit: strings.Repeat(unit, 1+4096/len(unit)), left: 8 << 20}
				rd := NewReader(src, Options{MaxEvent: 1 << 20, MaxMember: 1 << 20})
				_, err := read(rd)
				if n := cap(rd.in.carry); n > 8<<20 {
					t.Errorf("%s: %d bytes of window", head, n)
				}
				if len(rd.problems) == 0 && err == nil {
					t.Errorf("%s: neither a problem nor an error", head)
				}
			}
		})
	}
}

// endless is head and then unit until left bytes are read.
type endless struct {
	head, unit string
	left       int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, e.head)
	e.head = e.head[n:]
	for n < len(p) && e.head == "" {
		n += copy(p[n:], e.unit)
	}
	e.left -= n
	return n, nil
}

// TestOneByteReader: an io.Reader of one byte at a time gives the same events.
func TestOneByteReader(t *testing.T) {
	doc, sum := document(t, chromejsongen.Spec{Events: 40, Seed: 1})
	rd := NewReader(oneByte{strings.NewReader(string(doc))}, Options{})
	if n, dur := drain(t, rd); n != sum.Events || dur != sum.Dur {
		t.Errorf("%d events, %d ps, want %+v", n, dur, sum)
	}
}

// TestWindow: a document of one line is read in a window that does not grow
// with it.
func TestWindow(t *testing.T) {
	pipe, w := io.Pipe()
	sums := make(chan chromejsongen.Summary, 1)
	go func() {
		sum, err := chromejsongen.Write(w, chromejsongen.Spec{Events: 30_000})
		w.CloseWithError(err)
		sums <- sum
	}()
	rd := NewReader(pipe, Options{Window: 64 << 10})
	n, dur := drain(t, rd)
	if sum := <-sums; n != sum.Events || dur != sum.Dur {
		t.Errorf("%d events, %d ps, want %+v", n, dur, sum)
	}
	if size := cap(rd.in.carry); size > 32<<10 {
		t.Errorf("%d bytes of window for events of 1 KiB", size)
	}
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }
