// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Limits on a safetensors header. The first is the format's own.
const (
	maxHeader  = 100_000_000
	maxTensors = 1 << 20
	maxRank    = 16
)

// SafeTensors is an open safetensors file: an 8-byte length, a JSON header of
// that length, and the data, in which the header's ranges lie. The data is
// read only when a tensor is asked for.
type SafeTensors struct {
	name    string
	data    storage
	start   int64 // of the data
	entries map[string]entry

	// Metadata is the header's free-form part.
	Metadata map[string]string
}

// entry is a tensor in the header; the range counts from the data's start.
type entry struct {
	dtype      DType
	shape      []int
	begin, end int64
}

// OpenSafeTensors opens a file and checks its header. The file stays mapped
// until Close and must not be truncated meanwhile.
func OpenSafeTensors(path string) (*SafeTensors, error) {
	st, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return newSafeTensors(path, st)
}

// ParseSafeTensors is OpenSafeTensors for bytes in memory; name is for
// messages.
func ParseSafeTensors(name string, data []byte) (*SafeTensors, error) {
	return newSafeTensors(name, memory(data))
}

// newSafeTensors reads the header and takes over the storage, which it closes
// on error.
func newSafeTensors(name string, st storage) (*SafeTensors, error) {
	f := &SafeTensors{name: name, data: st, entries: map[string]entry{}}
	if err := f.readHeader(); err != nil {
		st.close()
		return nil, err
	}
	return f, nil
}

func (f *SafeTensors) readHeader() error {
	size := f.data.size()
	if size < 8 {
		return fmt.Errorf("%s: %d bytes, wanted at least the 8 of the header's length", f.name, size)
	}
	head, err := f.data.bytes(0, 8)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	n := binary.LittleEndian.Uint64(head)
	switch {
	case n > maxHeader:
		return fmt.Errorf("%s: offset 0x0: header of %d bytes, wanted at most %d (is this a safetensors file?)", f.name, n, maxHeader)
	case int64(n) > size-8:
		return fmt.Errorf("%s: offset 0x0: header of %d bytes, but the file has only %d more", f.name, n, size-8)
	}
	header, err := f.data.bytes(8, int64(n))
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	f.start = 8 + int64(n)
	if err := f.parseHeader(header); err != nil {
		return err
	}
	return f.checkRanges(size - f.start)
}

// at makes an error at an offset of the header.
func (f *SafeTensors) at(offset int64, format string, args ...any) error {
	return fmt.Errorf("%s: offset %#x: header: %w", f.name, 8+offset, fmt.Errorf(format, args...))
}

func (f *SafeTensors) parseHeader(header []byte) error {
	if !utf8.Valid(header) {
		return f.at(0, "not UTF-8, wanted JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(header))
	dec.UseNumber()
	err := decodeObject(dec, func(key string) error {
		if key == "__metadata__" {
			f.Metadata = map[string]string{}
			return decodeObject(dec, func(key string) error {
				v, err := decodeString(dec)
				f.Metadata[key] = v
				return err
			})
		}
		if len(f.entries) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		e, err := decodeEntry(dec)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		f.entries[key] = e
		return nil
	})
	if err != nil {
		return f.at(dec.InputOffset(), "%w", err)
	}
	if rest := bytes.TrimLeft(header[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return f.at(dec.InputOffset(), "found %.20q after the object", rest)
	}
	return nil
}

// decodeObject calls value for each key, which must be distinct.
func decodeObject(dec *json.Decoder, value func(key string) error) error {
	if err := decodeDelim(dec, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := decodeString(dec)
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("key %q for the second time", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return decodeDelim(dec, '}')
}

func decodeDelim(dec *json.Decoder, want json.Delim) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("found %v, wanted %q", tok, want.String())
	}
	return nil
}

func decodeString(dec *json.Decoder) (string, error) {
	tok, err := dec.Token()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", fmt.Errorf("found %v, wanted a string", tok)
	}
	return s, nil
}

// decodeEntry reads {"dtype":…,"shape":[…],"data_offsets":[begin,end]}.
func decodeEntry(dec *json.Decoder) (e entry, err error) {
	have := 0
	err = decodeObject(dec, func(key string) error {
		have++
		switch key {
		case "dtype":
			name, err := decodeString(dec)
			if err == nil && dtypeBits[DType(name)] == 0 {
				err = fmt.Errorf("unknown dtype %q", name)
			}
			e.dtype = DType(name)
			return err
		case "shape":
			dims, err := decodeInts(dec, key)
			e.shape = make([]int, len(dims))
			for i, d := range dims {
				if e.shape[i] = int(d); int64(e.shape[i]) != d {
					return fmt.Errorf("shape: %d is too large", d)
				}
			}
			return err
		case "data_offsets":
			r, err := decodeInts(dec, key)
			if err == nil && (len(r) != 2 || r[0] > r[1]) {
				err = fmt.Errorf("data_offsets %d, wanted begin and end", r)
			}
			if err == nil {
				e.begin, e.end = r[0], r[1]
			}
			return err
		}
		return fmt.Errorf("unknown field %q", key)
	})
	if err == nil && have != 3 {
		err = fmt.Errorf("%d fields, wanted dtype, shape and data_offsets", have)
	}
	if err != nil {
		return e, err
	}
	return e, e.checkSize()
}

// decodeInts reads an array of non-negative integers.
func decodeInts(dec *json.Decoder, field string) ([]int64, error) {
	if err := decodeDelim(dec, '['); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	var out []int64
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		num, ok := tok.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%s: found %v, wanted a number", field, tok)
		}
		n, err := strconv.ParseInt(num.String(), 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s: found %s, wanted an integer from 0 to 2^63-1", field, num)
		}
		if out = append(out, n); len(out) > maxRank {
			return nil, fmt.Errorf("%s: more than %d numbers", field, maxRank)
		}
	}
	return out, decodeDelim(dec, ']')
}

// checkSize holds the range against shape and type.
func (e entry) checkSize() error {
	n, ok := elements(e.shape)
	width := int64(dtypeBits[e.dtype])
	if !ok || n > (1<<62)/width {
		return fmt.Errorf("shape %d is too large", e.shape)
	}
	if n*width%8 != 0 {
		return fmt.Errorf("shape %d of %s does not end at a byte", e.shape, e.dtype)
	}
	if want := n * width / 8; e.end-e.begin != want {
		return fmt.Errorf("data_offsets [%d %d] hold %d bytes, but shape %d of %s takes %d", e.begin, e.end, e.end-e.begin, e.shape, e.dtype, want)
	}
	return nil
}

// checkRanges makes sure that all ranges lie in the data and none overlap.
// Data that no tensor names, between tensors or after them, is allowed.
func (f *SafeTensors) checkRanges(size int64) error {
	names := f.Names()
	slices.SortStableFunc(names, func(a, b string) int {
		x, y := f.entries[a], f.entries[b]
		if x.begin != y.begin {
			return int(min(max(x.begin-y.begin, -1), 1))
		}
		return int(min(max(x.end-y.end, -1), 1))
	})
	last, lastEnd := "", int64(0)
	for _, name := range names {
		e := f.entries[name]
		if e.end > size {
			return fmt.Errorf("%s: tensor %q ends at byte %d of the data, which has %d (is the file truncated?)", f.name, name, e.end, size)
		}
		if e.begin < e.end && e.begin < lastEnd {
			return fmt.Errorf("%s: tensors %q and %q overlap: one ends at byte %d of the data, the other begins at %d", f.name, last, name, lastEnd, e.begin)
		}
		if e.end > lastEnd {
			last, lastEnd = name, e.end
		}
	}
	return nil
}

// Names lists the tensors in alphabetical order.
func (f *SafeTensors) Names() []string {
	return slices.Sorted(maps.Keys(f.entries))
}

// Tensor returns a tensor by name. Where its data is not at a multiple of its
// element size in the file, Raw is an aligned copy.
func (f *SafeTensors) Tensor(name string) (Tensor, error) {
	e, ok := f.entries[name]
	if !ok {
		return Tensor{}, fmt.Errorf("%s: no tensor %q", f.name, name)
	}
	raw, err := f.data.bytes(f.start+e.begin, e.end-e.begin)
	if err != nil {
		return Tensor{}, fmt.Errorf("%s: tensor %q: %w", f.name, name, err)
	}
	return Tensor{Name: name, DType: e.dtype, Shape: slices.Clone(e.shape), Raw: aligned(raw, e.dtype.Size())}, nil
}

// Close unmaps the file. Tensors must not be used after it.
func (f *SafeTensors) Close() error { return f.data.close() }

// The rest makes SafeTensors a source.

func (f *SafeTensors) info(name string) (DType, []int, bool) {
	e, ok := f.entries[name]
	return e.dtype, e.shape, ok
}

func (f *SafeTensors) where(string) string { return f.name }
