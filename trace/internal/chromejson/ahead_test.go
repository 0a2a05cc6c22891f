// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

// lender lends blocks of changing sizes and overwrites them once they are released.
type lender struct {
	src    shredded
	blocks chan []byte
}

func newLender(doc []byte, size int) *lender {
	return &lender{src: shredded{data: doc, size: size}, blocks: make(chan []byte, len(doc)+1)}
}

func (l *lender) Next() ([]byte, error) {
	l.src.last = nil // not overwritten yet
	block, err := l.src.Next()
	if err == nil {
		l.blocks <- block
	}
	return block, err
}

func (l *lender) Release() {
	block := <-l.blocks
	for i := range block {
		block[i] = '#'
	}
}

// TestAheadIsReader: scanned in a goroutine of its own, random documents, whole and
// cut, have the events, times and problems that they have otherwise.
func TestAheadIsReader(t *testing.T) {
	defer goleak.VerifyNone(t)
	rapid.Check(t, func(rt *rapid.T) {
		g := &jsonGen{r: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))}
		doc := []byte(g.document())
		doc = doc[:len(doc)-g.r.IntN(2)*g.r.IntN(len(doc)+1)]
		opt := Options{Want: []string{"a", "b"}}
		rd := NewReader(bytes.NewReader(doc), opt)
		want, wantErr := read(rd)
		a := NewAhead(newLender(doc, 1+g.r.IntN(200)), opt)
		got, err := readAhead(a)
		a.Close()
		if !reflect.DeepEqual(want, got) && len(want)+len(got) > 0 {
			rt.Fatalf("%s: -want +got\n%s", doc, cmp.Diff(want, got))
		}
		if fmt.Sprint(wantErr) != fmt.Sprint(err) || a.Events() != rd.Events() {
			rt.Fatalf("%s: %d events, %v, want %d, %v", doc, a.Events(), err, rd.Events(), wantErr)
		}
		if diff := cmp.Diff(counts(rd), counts(a.Reader)); diff != "" {
			rt.Fatalf("%s: -want +got\n%s", doc, diff)
		}
	})
}

func readAhead(a *Ahead) (records []record, err error) {
	for {
		ev, err := a.Next()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		records = append(records, toRecord(ev, a.Origin()))
	}
}

// manyEvents is a document of n events whose names are their numbers.
func manyEvents(n, size int) []byte {
	var b bytes.Buffer
	b.WriteString("[")
	for i := range n {
		fmt.Fprintf(&b, `{"ph":"X","ts":%d,"dur":1,"name":"%d","args":{"a":"%s"}},`+"\n", i, i, strings.Repeat("x", size))
	}
	b.WriteString("{}]")
	return b.Bytes()
}

// TestAheadOrder: the events of many batches come in the order of the file, and stay
// what they are until the next.
func TestAheadOrder(t *testing.T) {
	const n = 20 * batchLen
	a := NewAhead(newLender(manyEvents(n, 3), 5000), Options{Want: []string{"a"}})
	defer a.Close()
	for i := range n {
		ev, err := a.Next()
		if err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			runtime.Gosched()
		}
		if string(ev.Name) != fmt.Sprint(i) || string(ev.Want(0)) != `"xxx"` || ev.Ts != int64(i)*psPerMicro {
			t.Fatalf("event %d: %s at %d with %s", i, ev.Name, ev.Ts, ev.Want(0))
		}
	}
	for range 2 {
		if _, err := a.Next(); err != io.EOF {
			t.Fatalf("behind the end: %v", err)
		}
	}
	if a.Events() != n || a.Empty() != 1 {
		t.Errorf("%d events, %d empty", a.Events(), a.Empty())
	}
}

// TestAheadStops: a caller may stop anywhere, and the scanner's error is its own.
func TestAheadStops(t *testing.T) {
	defer goleak.VerifyNone(t)
	doc := manyEvents(10*batchLen, 30)
	for _, read := range []int{0, 1, batchLen + 1, 5 * batchLen} {
		a := NewAhead(newLender(doc, 700), Options{})
		for range read {
			if _, err := a.Next(); err != nil {
				t.Fatal(err)
			}
		}
		a.Close()
	}
	src := newLender(doc[:5000], 700)
	src.src.err = errDisk
	a := NewAhead(src, Options{})
	got, err := readAhead(a)
	a.Close()
	if len(got) == 0 || err == nil || !strings.Contains(err.Error(), errDisk.Error()) {
		t.Errorf("%d events, %v, want some and %v", len(got), err, errDisk)
	}
}

// TestAheadLetsGo: large events are not held by the batches they went through.
func TestAheadLetsGo(t *testing.T) {
	var doc bytes.Buffer
	doc.WriteString("[")
	for i := range 12 {
		fmt.Fprintf(&doc, `{"ph":"X","ts":1,"dur":1,"name":"%s"},`, strings.Repeat("y", 3<<19))
		for range 60 - i {
			doc.WriteString(`{"ph":"X","ts":1,"dur":1,"name":"a"},`)
		}
	}
	doc.WriteString("{}]")
	a := NewAhead(newLender(doc.Bytes(), 64<<10), Options{})
	defer a.Close()
	for {
		if _, err := a.Next(); err != nil {
			break
		}
	}
	kept := map[*byte]int{}
	for b := range a.batchesFree() {
		for i := range b.events {
			if name := b.events[i].Name; len(name) > 1000 {
				kept[&name[0]] = cap(name)
			}
		}
	}
	if len(kept) > 2 {
		t.Errorf("%d large events are held", len(kept))
	}
}

// batchesFree yields the batches that wait to be filled.
func (a *Ahead) batchesFree() func(func(*batch) bool) {
	return func(yield func(*batch) bool) {
		for range len(a.free) {
			if !yield(<-a.free) {
				return
			}
		}
	}
}
