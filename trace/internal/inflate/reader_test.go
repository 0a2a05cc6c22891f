// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// pack compresses data with the standard library.
func pack(tb testing.TB, data []byte, level int) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		tb.Fatal(err)
	}
	w.Write(data)
	w.Close()
	return b.Bytes()
}

// unpack returns all output of gz and the error that ended it, nil at the end.
func unpack(r io.Reader, opt Options) ([]byte, error) {
	z, err := NewReader(r, opt)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

var inputs = map[string][]byte{
	"empty":  nil,
	"one":    {1},
	"json":   jsonLike(1 << 20),
	"proto":  protoLike(1 << 20),
	"random": noise(300_000),
	"zeros":  make([]byte, 1<<20),
	"ab":     bytes.Repeat([]byte("ab"), 1<<18),
	"period": bytes.Repeat([]byte("abcdefghijklmnopqrs"), 1<<14), // 19: distances above 16
	"near":   bytes.Repeat([]byte("abcdefghijk"), 1<<14),         // 11: overlapping copies by the word
	"far":    append(append(noise(32768), noise(32768)...), noise(32768)...),
}

func TestRoundTrip(t *testing.T) {
	for name, data := range inputs {
		for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
			gz := pack(t, data, level)
			for _, block := range []int{0, 1, 100_000} {
				got, err := unpack(bytes.NewReader(gz), Options{BlockSize: block})
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%s level %d, blocks of %d: %d bytes, %v, want %d", name, level, block, len(got), err, len(data))
				}
			}
		}
	}
}

func TestSlowInput(t *testing.T) {
	gz := pack(t, inputs["json"], 6)
	for name, r := range map[string]io.Reader{
		"byte by byte":       iotest.OneByteReader(bytes.NewReader(gz)),
		"half":               iotest.HalfReader(bytes.NewReader(gz)),
		"error with data":    iotest.DataErrReader(bytes.NewReader(gz)),
		"stored, one by one": iotest.OneByteReader(bytes.NewReader(pack(t, inputs["json"], 0))),
	} {
		if got, err := unpack(r, Options{}); err != nil || !bytes.Equal(got, inputs["json"]) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if err := iotest.TestReader(mustReader(t, gz), inputs["json"]); err != nil {
		t.Error(err)
	}
}

func mustReader(tb testing.TB, gz []byte) *Reader {
	tb.Helper()
	z, err := NewReader(bytes.NewReader(gz), Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

func TestWriteTo(t *testing.T) {
	var b bytes.Buffer
	n, err := mustReader(t, pack(t, inputs["proto"], 6)).WriteTo(&b)
	if err != nil || n != int64(b.Len()) || !bytes.Equal(b.Bytes(), inputs["proto"]) {
		t.Errorf("%d bytes, %v", n, err)
	}
	full := errors.New("disk full")
	if _, err := mustReader(t, pack(t, inputs["proto"], 6)).WriteTo(brokenWriter{full}); err != full {
		t.Errorf("%v, want %v", err, full)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// TestNextIn decodes into buffers of the caller's of changing size; matches reach
// from one into the other.
func TestNextIn(t *testing.T) {
	data := inputs["json"]
	z := mustReader(t, pack(t, data, 6))
	var got []byte
	for i := 0; ; i++ {
		buf := make([]byte, MinBuffer+i%5*10_000)
		block, err := z.NextIn(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, block...)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes, want %d", len(got), len(data))
	}
}

func TestAhead(t *testing.T) {
	defer goleak.VerifyNone(t)
	data := bytes.Repeat(inputs["json"], 3)
	a := NewAhead(mustReader(t, pack(t, data, 6)), 2)
	var got []byte
	for {
		block, err := a.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, block...)
		a.Release()
	}
	if _, err := a.Next(); err != io.EOF {
		t.Errorf("behind the end: %v", err)
	}
	a.Close()
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes, want %d", len(got), len(data))
	}
	early := NewAhead(mustReader(t, pack(t, data, 6)), 2)
	if _, err := early.Next(); err != nil {
		t.Error(err)
	}
	early.Close()
}

func TestMembers(t *testing.T) {
	a, b := inputs["json"], inputs["near"]
	gz := append(append(pack(t, a, 6), pack(t, nil, 6)...), pack(t, b, 1)...)
	want := append(append([]byte(nil), a...), b...)
	if got, err := unpack(bytes.NewReader(gz), Options{}); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
	}
	// A match must not reach into the member before.
	_, err := unpack(bytes.NewReader(append(pack(t, a, 6), withBody(reachBack)...)), Options{})
	var e *Error
	if !errors.As(err, &e) || e.Member != 2 || !strings.Contains(e.Msg, "1 bytes back with 0 bytes before it") {
		t.Errorf("%v, want a match that reaches too far", err)
	}
}

// withBody is a gzip header with a raw deflate stream behind it.
func withBody(deflate []byte) []byte {
	return append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}, deflate...)
}

// reachBack is a block of fixed codes that starts with length 3, distance 1:
// 1 (last) 01 (fixed) 0000001 (257) 00000 (distance 1) 0000000 (end).
var reachBack = []byte{0b00000011, 0b00000010, 0, 0, 0, 0, 0, 0, 0, 0}

func TestHeader(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name, w.Comment, w.Extra = "host.trace.json é", "a comment", []byte("extra\x00")
	w.ModTime = time.Unix(1_700_000_000, 0)
	w.OS = 3
	w.Write([]byte("x"))
	w.Close()
	z := mustReader(t, b.Bytes())
	if z.Name != w.Name || z.Comment != w.Comment || string(z.Extra) != string(w.Extra) || !z.ModTime.Equal(w.ModTime) || z.OS != 3 {
		t.Errorf("header %+v", z.Header)
	}
	if got, err := io.ReadAll(z); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	// The same header with a checksum, right and wrong.
	head := []byte{0x1f, 0x8b, 8, flagHeaderCRC, 0, 0, 0, 0, 0, 3, 0x6f, 0x10}
	head[10], head[11] = headerSum(head[:10])
	body := pack(t, []byte("x"), 6)[10:]
	if got, err := unpack(bytes.NewReader(append(head, body...)), Options{}); string(got) != "x" || err != nil {
		t.Errorf("with header checksum: %q, %v", got, err)
	}
	head[10] ^= 1
	if _, err := unpack(bytes.NewReader(append(head, body...)), Options{}); !errors.Is(err, ErrHeader) {
		t.Errorf("wrong header checksum: %v", err)
	}
}

func TestLimit(t *testing.T) {
	bomb := pack(t, make([]byte, 1<<20), 9)
	for _, limit := range []int64{1, 1000, 1<<20 - 1} {
		got, err := unpack(bytes.NewReader(bomb), Options{MaxBytes: limit})
		if int64(len(got)) != limit || !errors.Is(err, ErrLimit) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
	}
	if got, err := unpack(bytes.NewReader(bomb), Options{MaxBytes: 1 << 20}); len(got) != 1<<20 || err != nil {
		t.Errorf("at the limit: %d bytes, %v", len(got), err)
	}
}

// TestSharedCaptures: real files come out as from the standard library.
func TestSharedCaptures(t *testing.T) {
	for _, name := range []string{
		"data/trace_json/tpu_vllm_qwen3_32b_quant.trace.json.gz", "data/torch/h100_qwen15_05b.json.gz",
		"data/xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz", "data/jax_cpu/truncated/cut_of_base_b.trace.json.gz",
	} {
		gz, err := os.ReadFile(tracetest.Shared(t, name))
		if err != nil {
			t.Fatal(err)
		}
		compare(t, gz)
	}
}

// compare holds the decoder against the standard library's: the same bytes
// come out, also before an error, and both or neither end in one.
func compare(t *testing.T, gz []byte) {
	t.Helper()
	var want []byte
	std, wantErr := gzip.NewReader(bytes.NewReader(gz))
	if wantErr == nil {
		want, wantErr = io.ReadAll(std)
	}
	if wantErr == gzip.ErrHeader && longest(gz) >= 511 {
		return // the standard library takes names of up to 511 bytes, RFC 1952 of any length
	}
	for _, slow := range []bool{false, true} {
		var r io.Reader = bytes.NewReader(gz)
		if slow {
			r = iotest.OneByteReader(r)
		}
		got, err := unpack(r, Options{BlockSize: 1})
		if wantErr == io.ErrUnexpectedEOF {
			// The standard library asks for more bits than the last codes need.
			if extra := len(got) - len(want); extra > 0 && extra < 16 {
				got = got[:len(want)]
			}
		}
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Fatalf("%d bytes, %v\nstandard library: %d bytes, %v", len(got), err, len(want), wantErr)
		}
		if errors.Is(wantErr, io.ErrUnexpectedEOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%v, want a truncation", err)
		}
	}
}

// longest is the longest run of bytes without a zero.
func longest(b []byte) int {
	n := 0
	for part := range bytes.SplitSeq(b, []byte{0}) {
		n = max(n, len(part))
	}
	return n
}

func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{5})
	b := make([]byte, n)
	r.Read(b)
	return b
}
