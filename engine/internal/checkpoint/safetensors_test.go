// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// file makes a safetensors file of a header and n bytes of data.
func file(header string, n int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	out = append(out, header...)
	for i := range n {
		out = append(out, byte(i))
	}
	return out
}

// member is a header's entry.
func member(name, dtype, shape string, begin, end any) string {
	return fmt.Sprintf(`"%s":{"dtype":"%s","shape":%s,"data_offsets":[%v,%v]}`, name, dtype, shape, begin, end)
}

func TestHostileSafeTensors(t *testing.T) {
	one := member("a", "F32", "[2]", 0, 8)
	length := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "0 bytes, wanted at least the 8"},
		{"cut in the length", make([]byte, 7), "7 bytes, wanted at least the 8"},
		{"huge header", length(1 << 60), "header of 1152921504606846976 bytes, wanted at most 100000000"},
		{"header length negative as int64", length(1 << 63), "wanted at most 100000000"},
		{"header beyond the file", append(length(100), "{}"...), "header of 100 bytes, but the file has only 2 more"},
		{"no header", length(0), "offset 0x8: header: EOF"},
		{"not JSON", file("hello", 0), "offset 0x8: header: invalid character 'h'"},
		{"not an object", file("[]", 0), "found [, wanted"},
		{"not UTF-8", file("{\"\xff\":1}", 0), "not UTF-8"},
		{"cut header", file(`{"a":{"dtype":"F32"`, 0), "EOF"},
		{"text after the header", file("{"+one+"} x", 8), `found "x" after the object`},
		{"tensor twice", file("{"+one+","+one+"}", 8), `key "a" for the second time`},
		{"field twice", file(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), `key "dtype" for the second time`},
		{"field unknown", file(`{"a":{"dtype":"F32","shape":[2],"strides":[1]}}`, 8), `unknown field "strides"`},
		{"field missing", file(`{"a":{"dtype":"F32","shape":[2]}}`, 8), "2 fields, wanted dtype, shape and data_offsets"},
		{"tensor of wrong kind", file(`{"a":7}`, 8), `tensor "a": found 7`},
		{"dtype unknown", file("{"+member("a", "F7", "[2]", 0, 8)+"}", 8), `tensor "a": unknown dtype "F7"`},
		{"dtype of wrong kind", file(`{"a":{"dtype":1,"shape":[2],"data_offsets":[0,8]}}`, 8), "found 1, wanted a string"},
		{"dtype of other width", file("{"+member("a", "BF16", "[2]", 0, 8)+"}", 8), "hold 8 bytes, but shape [2] of BF16 takes 4"},
		{"shape negative", file("{"+member("a", "F32", "[-2]", 0, 8)+"}", 8), "shape: found -2"},
		{"shape fractional", file("{"+member("a", "F32", "[2.0]", 0, 8)+"}", 8), "shape: found 2.0"},
		{"shape of strings", file("{"+member("a", "F32", `["2"]`, 0, 8)+"}", 8), "shape: found 2, wanted a number"},
		{"shape overflows", file("{"+member("a", "F32", "[4294967296,4294967296,4294967296]", 0, 8)+"}", 8), "is too large"},
		{"shape overflows to its range", file("{"+member("a", "F32", "[9223372036854775807,2]", 0, 8)+"}", 8), "is too large"},
		{"rank", file("{"+member("a", "F32", "[1"+strings.Repeat(",1", 16)+"]", 0, 4)+"}", 8), "shape: more than 16 numbers"},
		{"offsets negative", file("{"+member("a", "F32", "[2]", -8, 0)+"}", 8), "data_offsets: found -8"},
		{"offsets huge", file("{"+member("a", "F32", "[2]", "18446744073709551608", "18446744073709551616")+"}", 8), "wanted an integer from 0 to 2^63-1"},
		{"offsets beyond", file("{"+member("a", "F32", "[2]", 8, 16)+"}", 8), "ends at byte 16 of the data, which has 8 (is the file truncated?)"},
		{"offsets at the top", file("{"+member("a", "F32", "[2]", "9223372036854775799", "9223372036854775807")+"}", 8), "ends at byte 9223372036854775807"},
		{"offsets reversed", file("{"+member("a", "F32", "[2]", 8, 0)+"}", 8), "wanted begin and end"},
		{"offsets of three", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}`, 8), "wanted begin and end"},
		{"overlap", file("{"+one+","+member("b", "F32", "[2]", 4, 12)+"}", 12), `tensors "a" and "b" overlap: one ends at byte 8 of the data, the other begins at 4`},
		{"overlap in full", file("{"+one+","+member("b", "F32", "[1]", 4, 8)+"}", 12), `"a" and "b" overlap`},
		{"overlap of equals", file("{"+one+","+member("b", "F32", "[2]", 0, 8)+"}", 12), `"a" and "b" overlap`},
		{"overlap behind a short one", file("{"+member("a", "U8", "[12]", 0, 12)+","+member("b", "U8", "[1]", 2, 3)+","+member("c", "U8", "[1]", 6, 7)+"}", 12), `"a" and "b" overlap`},
		{"narrow elements", file("{"+member("a", "F4", "[3]", 0, 2)+"}", 8), "shape [3] of F4 does not end at a byte"},
		{"metadata of numbers", file(`{"__metadata__":{"a":1}}`, 0), "found 1, wanted a string"},
		{"truncated data", file("{"+one+"}", 7), "is the file truncated?"},
	}
	for _, tt := range tests {
		if _, err := ParseSafeTensors("m.safetensors", tt.data); err == nil || !strings.HasPrefix(err.Error(), "m.safetensors: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant … %s", tt.name, err, tt.want)
		}
	}
}

// TestAllowedSafeTensors: gaps, data behind the tensors, padding, empty
// tensors, scalars, types that weights do not have.
func TestAllowedSafeTensors(t *testing.T) {
	header := "{" + strings.Join([]string{
		`"__metadata__":{"format":"pt"}`,
		member("gap", "I64", "[1]", 16, 24), member("scalar", "F32", "[]", 0, 4), member("empty", "F32", "[0,7]", 2, 2), member("narrow", "F4", "[2,3]", 4, 7),
	}, ",") + "}   \n"
	f, err := ParseSafeTensors("m", file(header, 99))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"empty", "gap", "narrow", "scalar"}, f.Names()); diff != "" {
		t.Error(diff)
	}
	if f.Metadata["format"] != "pt" {
		t.Errorf("metadata %v", f.Metadata)
	}
	for name, want := range map[string][]byte{"gap": {16, 17, 18, 19, 20, 21, 22, 23}, "scalar": {0, 1, 2, 3}, "empty": {}, "narrow": {4, 5, 6}} {
		if got, err := f.Tensor(name); err != nil || !bytes.Equal(got.Raw, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got.Raw, err, want)
		}
	}
	if _, err := f.Tensor("none"); err == nil || !strings.Contains(err.Error(), `m: no tensor "none"`) {
		t.Errorf("got %v", err)
	}
}

// drawTensors makes tensors of all types whose elements are whole bytes.
func drawTensors(t *rapid.T) []Tensor {
	types := slices.Sorted(maps.Keys(dtypeBits))
	types = slices.DeleteFunc(types, func(d DType) bool { return d.Size() == 0 })
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zé"\\.0-9]{1,8}`), 0, 8, rapid.ID[string]).Draw(t, "names")
	var out []Tensor
	for _, name := range names {
		ts := Tensor{Name: name, DType: rapid.SampledFrom(types).Draw(t, "dtype"), Shape: []int{}}
		ts.Shape = append(ts.Shape, rapid.SliceOfN(rapid.IntRange(0, 4), 0, 3).Draw(t, "shape")...)
		n := ts.Elems() * ts.DType.Size()
		ts.Raw = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "raw")
		out = append(out, ts)
	}
	return out
}

// TestRoundTrip: what is written is read, from memory, through a mapping and
// with plain reads alike; the data is aligned in the file.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		tensors := drawTensors(t)
		meta := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "metadata")
		var buf, again bytes.Buffer
		if err := WriteSafeTensors(&buf, tensors, meta); err != nil {
			t.Fatal(err)
		}
		if err := WriteSafeTensors(&again, tensors, meta); err != nil || !bytes.Equal(buf.Bytes(), again.Bytes()) {
			t.Fatalf("second writing differs: %v", err)
		}
		path := filepath.Join(dir, "m.safetensors")
		if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		plain, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		opened := map[string]func() (*SafeTensors, error){
			"memory": func() (*SafeTensors, error) { return ParseSafeTensors(path, buf.Bytes()) },
			"mapped": func() (*SafeTensors, error) { return OpenSafeTensors(path) },
			"reads":  func() (*SafeTensors, error) { return newSafeTensors(path, &reader{plain, int64(buf.Len())}) },
		}
		for how, open := range opened {
			f, err := open()
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			checkRead(t, how, f, tensors, meta)
			if err := f.Close(); err != nil {
				t.Fatalf("%s: %v", how, err)
			}
		}
	})
}

func checkRead(t *rapid.T, how string, f *SafeTensors, tensors []Tensor, meta map[string]string) {
	if len(f.Names()) != len(tensors) || len(f.Metadata) != len(meta) {
		t.Fatalf("%s: %d tensors and %d metadata, want %d and %d", how, len(f.Names()), len(f.Metadata), len(tensors), len(meta))
	}
	if f.start%8 != 0 {
		t.Fatalf("%s: data begins at %d", how, f.start)
	}
	for _, want := range tensors {
		got, err := f.Tensor(want.Name)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" {
			t.Fatalf("%s: %s", how, diff)
		}
		if e := f.entries[want.Name]; e.begin%int64(e.dtype.Size()) != 0 {
			t.Fatalf("%s: %s begins at %d", how, e.dtype, e.begin)
		}
	}
}

// TestUnaligned: data at an odd offset is copied, so that it can be used as
// words.
func TestUnaligned(t *testing.T) {
	data := file("{"+member("a", "F32", "[2]", 0, 8)+"}", 8)
	for shift := range 4 {
		buf := append(make([]byte, shift, 512), data...)
		f, err := ParseSafeTensors("m", buf[shift:])
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Tensor("a")
		if err != nil {
			t.Fatal(err)
		}
		if at := uintptr(unsafe.Pointer(&got.Raw[0])); at%4 != 0 {
			t.Errorf("shift %d: data at %#x", shift, at)
		}
		if !bytes.Equal(got.Raw, []byte{0, 1, 2, 3, 4, 5, 6, 7}) {
			t.Errorf("shift %d: %v", shift, got.Raw)
		}
	}
}

func TestSafeTensorsFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenSafeTensors(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := OpenSafeTensors(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: %v", err)
	}
	path := filepath.Join(dir, "m")
	if err := os.WriteFile(path, file("{"+member("a", "F32", "[2]", 0, 8)+"}", 8), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenSafeTensors(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := f.Tensor("a"); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after closing: %v", err)
	}
	// A file that shrinks under plain reads is an error, not a short tensor.
	plain, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := plain.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f, err = newSafeTensors(path, &reader{plain, info.Size()})
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Truncate(info.Size() - 1); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Tensor("a"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("shrunk: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestWriteErrors(t *testing.T) {
	good := Tensor{Name: "a", DType: F32, Shape: []int{1}, Raw: make([]byte, 4)}
	tests := []struct {
		name    string
		tensors []Tensor
		want    string
	}{
		{"twice", []Tensor{good, good}, "the name is taken"},
		{"reserved", []Tensor{{Name: "__metadata__", DType: F32, Shape: []int{1}, Raw: make([]byte, 4)}}, "the name is taken"},
		{"dtype", []Tensor{{Name: "a", DType: "F7"}}, `unknown dtype "F7"`},
		{"size", []Tensor{{Name: "a", DType: F32, Shape: []int{2}, Raw: make([]byte, 4)}}, "takes 8"},
	}
	for _, tt := range tests {
		if err := WriteSafeTensors(io.Discard, tt.tensors, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want … %s", tt.name, err, tt.want)
		}
	}
	if err := WriteSafeTensors(failing{}, []Tensor{good}, nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("failing writer: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
