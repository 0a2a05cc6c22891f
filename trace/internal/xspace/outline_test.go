// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// shapeOf prints the planes, lines and problems of a space.
func shapeOf(sp *xspace.Space, err error) (out []string) {
	out = append(out, fmt.Sprint(err))
	if sp == nil {
		return out
	}
	for _, pl := range sp.Planes {
		out = append(out, fmt.Sprint("plane ", pl.ID, pl.Name, pl.Parts, pl.Truncated))
		for _, ln := range pl.Lines {
			out = append(out, fmt.Sprint("line ", ln.ID, ln.Name, ln.TimestampNs, ln.Bytes, ln.Sections()))
		}
	}
	for _, p := range sp.Problems() {
		out = append(out, fmt.Sprint(p))
	}
	return append(out, fmt.Sprint(sp.Errors, sp.Warnings, sp.Hostnames))
}

func everything(out *xspace.Outline) []bool {
	keep := make([]bool, len(out.Planes))
	for i := range keep {
		keep[i] = true
	}
	return keep
}

func indexAll(b []byte) []string {
	return shapeOf(xspace.IndexSome(bytes.NewReader(b), int64(len(b)), everything))
}

// With all planes chosen the result is that of Index, on whole files, cut ones and
// damaged ones.
func TestIndexSomeOfAll(t *testing.T) {
	whole := append(generated(t, 20<<10), bytes.Join([][]byte{st(2, "an error"), st(4, "host-1")}, nil)...)
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 400 {
		b := slices.Clone(whole)
		if n%2 == 0 {
			b = b[:rng.IntN(len(b))]
		}
		for range n / 2 % 4 {
			if len(b) > 0 {
				b[rng.IntN(len(b))] = byte(rng.Uint32())
			}
		}
		want := shapeOf(xspace.Index(bytes.NewReader(b), int64(len(b))))
		if strings.HasPrefix(want[0], "offset") {
			want = want[:1] // what stood before broken framing is not indexed
		}
		if diff := cmp.Diff(want, indexAll(b)[:len(want)]); diff != "" {
			t.Fatalf("case %d: %s", n, diff)
		}
	}
}

// A plane is chosen by its name wherever that stands, and the others' bytes are
// not read.
func TestIndexSome(t *testing.T) {
	filler := bytes.Repeat(ev(1, 2, 3), 20_000)
	long := line(vi(1, 1), st(2, "XLA Ops"), filler)
	parts := map[string][]byte{
		"first":               by(1, vi(1, 4), st(2, "wanted"), long, meta(1, "op")),
		"behind the lines":    by(1, long, st(2, "wanted"), meta(1, "op")),
		"behind the metadata": by(1, long, meta(1, "op"), name(3, "stat"), st(2, "wanted")),
		"last and first":      by(1, meta(1, "op"), long, vi(1, 4), st(2, "wanted")),
	}
	for where, wanted := range parts {
		other := by(1, vi(1, 7), st(2, "other"), long, meta(1, "op"))
		b := bytes.Join([][]byte{other, wanted, by(1, long, st(2, "late")), plane("wanted", line(vi(1, 9), ev(1, 1, 1))), st(4, "host-1")}, nil)
		r := &tallied{Reader: bytes.NewReader(b)}
		var names, hosts []string
		sp, err := xspace.IndexSome(r, int64(len(b)), func(out *xspace.Outline) []bool {
			hosts = out.Hostnames
			keep := make([]bool, len(out.Planes))
			for i, h := range out.Planes {
				names = append(names, h.Name)
				keep[i] = h.Name == "wanted"
			}
			return keep
		})
		if err != nil {
			t.Fatal(where, err)
		}
		if want := []string{"other", "wanted", "late", "wanted"}; !slices.Equal(names, want) || !slices.Equal(hosts, []string{"host-1"}) {
			t.Errorf("name %s: outline %q of %q", where, names, hosts)
		}
		if len(sp.Planes) != 1 || sp.Planes[0].Parts != 2 || len(sp.Planes[0].Lines) != 2 {
			t.Fatalf("name %s: %v", where, shapeOf(sp, nil))
		}
		if n, err := sp.Planes[0].Lines[0].Count(); n != 20_000 || err != nil {
			t.Errorf("name %s: %d events, %v", where, n, err)
		}
		if r.indexed > 48<<10 {
			t.Errorf("name %s: %d bytes read for the outline and one plane's index", where, r.indexed)
		}
		if want := int64(len(wanted) - 5); len(r.expected) != 2 || r.expected[0] < want || r.expected[0] > want+5 {
			t.Errorf("name %s: expected %d, wanted the plane's %d bytes", where, r.expected, want)
		}
	}
}

// tallied counts what is read before the first event, and keeps the sizes of what
// is expected.
type tallied struct {
	*bytes.Reader
	indexed  int64
	expected []int64
}

func (r *tallied) ReadAt(b []byte, off int64) (int, error) {
	if len(b) < 64<<10 {
		r.indexed += int64(len(b))
	}
	return r.Reader.ReadAt(b, off)
}

func (r *tallied) Expect(off, end int64) { r.expected = append(r.expected, end-off) }

var _ io.ReaderAt = (*tallied)(nil)

// A file of nothing but planes does not cost more than planes are kept.
func TestIndexSomeLimit(t *testing.T) {
	b := bytes.Repeat([]byte{0x0a, 0x00}, 200_000)
	n := 0
	sp, err := xspace.IndexSome(bytes.NewReader(b), int64(len(b)), func(out *xspace.Outline) []bool {
		n = len(out.Planes)
		return everything(out)
	})
	if err != nil || n > 1<<16 || len(sp.Problems()) != 1 || sp.Problems()[0].Code != xspace.CodeLimit {
		t.Errorf("%d planes noted, %v, %v", n, sp.Problems(), err)
	}
}
