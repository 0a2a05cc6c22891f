// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
)

func headerSum(head []byte) (byte, byte) {
	sum := crc32.ChecksumIEEE(head)
	return byte(sum), byte(sum >> 8)
}

// TestCutAnywhere: a prefix of the input gives a prefix of the output, and one
// that grows with it, then an error that wraps io.ErrUnexpectedEOF.
func TestCutAnywhere(t *testing.T) {
	for name, data := range map[string][]byte{"json": jsonLike(6000), "proto": protoLike(3000), "random": noise(2000)} {
		for _, level := range []int{0, 1, 6, -2} {
			gz := pack(t, data, level)
			before := 0
			for n := range gz {
				got, err := unpack(bytes.NewReader(gz[:n]), Options{})
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%s level %d cut at %d of %d: %v", name, level, n, len(gz), err)
				}
				var e *Error
				if !errors.As(err, &e) || e.Offset != int64(n) || e.Out != int64(len(got)) {
					t.Fatalf("%s level %d cut at %d: %+v, %d bytes of output", name, level, n, e, len(got))
				}
				if len(got) < before || !bytes.HasPrefix(data, got) {
					t.Fatalf("%s level %d cut at %d: %d bytes, no prefix or less than the %d before", name, level, n, len(got), before)
				}
				before = len(got)
			}
			if before != len(data) {
				t.Errorf("%s level %d: %d bytes of %d before the trailer", name, level, before, len(data))
			}
		}
	}
}

// TestFlips: one wrong bit anywhere gives what the standard library makes of it.
func TestFlips(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, data := range [][]byte{jsonLike(20_000), protoLike(20_000), noise(1000)} {
		for _, level := range []int{0, 1, 6, -2} {
			gz := pack(t, data, level)
			for range 200 {
				bad := bytes.Clone(gz)
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
				compare(t, bad)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	good := pack(t, []byte("hello, hello, hello"), 6)
	trailer := len(good) - 8
	edit := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	tests := []struct {
		name   string
		in     []byte
		is     error
		offset int64
		out    string
	}{
		{"empty", nil, io.ErrUnexpectedEOF, 0, ""},
		{"no gzip", []byte("hello, hello"), ErrHeader, 0, ""},
		{"other method", edit(2, 7), ErrHeader, 0, ""},
		{"checksum", edit(trailer, good[trailer]^1), ErrChecksum, int64(trailer), "hello, hello, hello"},
		{"length", edit(trailer+4, 1), ErrChecksum, int64(trailer), "hello, hello, hello"},
		{"text behind", append(bytes.Clone(good), "trailing garbage"...), ErrHeader, int64(len(good)), "hello, hello, hello"},
		{"bytes behind", append(bytes.Clone(good), 0, 0), io.ErrUnexpectedEOF, int64(len(good)) + 2, "hello, hello, hello"},
		{"block type 3", withBody([]byte{0b111}), nil, 11, ""},
		{"stored length", withBody([]byte{1, 5, 0, 5, 0}), nil, 11, ""},
		{"too many codes", withBody([]byte{0b11101 | 31<<3&0xff, 0xff, 0xff, 0xff}), nil, 13, ""},
		{"match before start", withBody(reachBack), nil, 12, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := unpack(bytes.NewReader(tt.in), Options{})
			var e *Error
			if !errors.As(err, &e) || string(got) != tt.out {
				t.Fatalf("%q, %v", got, err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) || tt.is == nil && e.Err != nil {
				t.Errorf("%v, want %v", err, tt.is)
			}
			if e.Offset != tt.offset || e.Out != int64(len(tt.out)) || e.Msg == "" {
				t.Errorf("%+v, want offset %d", e, tt.offset)
			}
		})
	}
	disk := errors.New("disk on fire")
	_, err := unpack(io.MultiReader(bytes.NewReader(good[:15]), broken{disk}), Options{})
	if !errors.Is(err, disk) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v, want %v", err, disk)
	}
	_, err = unpack(idle{}, Options{})
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%v, want %v", err, io.ErrNoProgress)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// bitWriter writes deflate streams that no compressor would.
type bitWriter struct {
	b []byte
	n uint
}

func (w *bitWriter) bits(v, n uint) {
	for i := range n {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[len(w.b)-1] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// TestLongCodes makes a table with codes of all lengths up to 15, so that
// sub-tables are used, and sends every symbol.
func TestLongCodes(t *testing.T) {
	var w bitWriter
	w.bits(1|2<<1, 3) // last, dynamic
	w.bits(0, 5)      // 257 literal codes
	w.bits(0, 5)      // one distance code
	w.bits(15, 4)     // all 19 code-length codes: 4 bits each for 0 to 15
	for _, sym := range clenOrder {
		if sym < 16 {
			w.bits(4, 3)
		} else {
			w.bits(0, 3)
		}
	}
	length := func(n uint8) { // its code is n itself, first bit first
		w.bits(uint(n>>3&1|n>>1&2|n<<1&4|n<<3&8), 4)
	}
	// Lengths 1, 2, …, 14, 15, 15 are a complete code: 'a' to 'o' and the end.
	lens := make([]uint8, 257)
	for n := range 15 {
		lens['a'+n] = uint8(n + 1)
	}
	lens[256] = 15
	for _, n := range lens {
		length(n)
	}
	length(0)
	codes := canonical(lens)
	var want []byte
	for round := range 200 {
		for c := byte('a'); c < 'a'+15; c++ {
			w.bits(codes[c], uint(lens[c]))
			want = append(want, c)
			if round%3 == 0 {
				w.bits(codes['o'], 15)
				want = append(want, 'o')
			}
		}
	}
	w.bits(codes[256], 15)
	gz := withBody(w.b)
	gz = binary.LittleEndian.AppendUint32(gz, crc32.ChecksumIEEE(want))
	gz = binary.LittleEndian.AppendUint32(gz, uint32(len(want)))
	got, err := unpack(bytes.NewReader(gz), Options{})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
	}
	compare(t, gz)
}

// canonical returns the codes of the given lengths, first bit lowest, by the
// rule of RFC 1951 section 3.2.2.
func canonical(lens []uint8) []uint {
	codes := make([]uint, len(lens))
	code := uint(0)
	for n := uint8(1); n <= 15; n++ {
		for sym, l := range lens {
			if l != n {
				continue
			}
			for i := range n {
				codes[sym] |= code >> (n - 1 - i) & 1 << i
			}
			code++
		}
		code <<= 1
	}
	return codes
}

// TestTables compares table decoding with the codes of random complete prefix
// codes, of every shape that can occur.
func TestTables(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		lens := randomCode(r, 2+r.IntN(285))
		var table litTable
		if !build(table[:], litRoot, lens, litBase[:]) {
			t.Fatalf("a complete code is refused: %v", lens)
		}
		codes := canonical(lens)
		for sym, n := range lens {
			if n == 0 {
				continue
			}
			bits := uint64(codes[sym]) | r.Uint64()<<n
			e := table[bits&(1<<litRoot-1)]
			used := uint8(0)
			if e&link != 0 {
				used = litRoot
				e = table[e>>16+entry(bits>>litRoot)&(1<<(e>>8&15)-1)]
			}
			if want := litBase[sym]; e>>16 != want>>16 || used+uint8(e>>8&15) != n || e&(special|literal) != want&(special|literal) {
				t.Fatalf("symbol %d of length %d: entry %#x", sym, n, e)
			}
		}
	}
}

// randomCode splits leaves of a code tree until it has n symbols.
func randomCode(r *rand.Rand, n int) []uint8 {
	leaves := []uint8{1, 1}
	for len(leaves) < n {
		i := r.IntN(len(leaves))
		if r.IntN(2) == 0 {
			i = len(leaves) - 1 // deep trees, too
		}
		if leaves[i] == maxCode {
			i = 0
			for i < len(leaves) && leaves[i] == maxCode {
				i++
			}
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	lens := make([]uint8, 288)
	for i, at := range r.Perm(288)[:n] {
		lens[at] = leaves[i]
	}
	return lens
}

func TestNoCode(t *testing.T) {
	for _, lens := range [][]uint8{
		{1, 1, 1},    // too many
		{2, 2, 2},    // too few
		{1, 2},       // too few
		{2},          // a single code has one bit
		{1, 2, 3, 4}, // too few
	} {
		var table distTable
		if build(table[:], distRoot, lens, distBase[:]) {
			t.Errorf("%v is taken for a prefix code", lens)
		}
	}
	for _, lens := range [][]uint8{{}, {0, 0}, {0, 1}, {1, 1}, {2, 2, 2, 2}} {
		var table distTable
		if !build(table[:], distRoot, lens, distBase[:]) {
			t.Errorf("%v is refused", lens)
		}
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{Offset: 7, Out: 9, Member: 2, Msg: "found x, wanted y"}
	if got, want := fmt.Sprint(e), "gzip offset 7, after 9 bytes of output, member 2: found x, wanted y"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
