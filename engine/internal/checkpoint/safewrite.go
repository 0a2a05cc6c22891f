// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// WriteSafeTensors writes tensors to a safetensors file without holes. Wider
// elements go first, so that all data is aligned; otherwise the order given is
// kept. The same input gives the same bytes.
func WriteSafeTensors(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b Tensor) int { return b.DType.Size() - a.DType.Size() })
	header, err := safeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	var head [8]byte
	binary.LittleEndian.PutUint64(head[:], uint64(len(header)))
	out.Write(head[:]) // errors stay with out and come back from Flush
	out.Write(header)
	for _, t := range tensors {
		out.Write(t.Raw)
	}
	return out.Flush()
}

// safeHeader is the JSON header, padded with spaces so that the data begins at
// a multiple of 8.
func safeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	sep := byte('{')
	member := func(key string, v any) error {
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		val, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.WriteByte(sep)
		sep = ','
		b.Write(k)
		b.WriteByte(':')
		b.Write(val)
		return nil
	}
	if len(metadata) > 0 {
		// json.Marshal sorts the keys.
		if err := member("__metadata__", maps.Clone(metadata)); err != nil {
			return nil, err
		}
	}
	seen, off := map[string]bool{}, int64(0)
	for _, t := range tensors {
		e := entry{t.DType, t.Shape, off, off + int64(len(t.Raw))}
		if seen[t.Name] || t.Name == "__metadata__" {
			return nil, fmt.Errorf("tensor %q: the name is taken", t.Name)
		}
		if dtypeBits[t.DType] == 0 {
			return nil, fmt.Errorf("tensor %q: unknown dtype %q", t.Name, t.DType)
		}
		if err := e.checkSize(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		seen[t.Name], off = true, e.end
		shape := t.Shape
		if shape == nil {
			shape = []int{} // a scalar's shape is [], not null
		}
		if err := member(t.Name, safeEntry{t.DType, shape, [2]int64{e.begin, e.end}}); err != nil {
			return nil, err
		}
	}
	if sep == '{' {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, wanted at most %d", b.Len(), maxHeader)
	}
	return b.Bytes(), nil
}

type safeEntry struct {
	DType   DType    `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// Save writes a model as a Hugging Face directory: config.json and
// model.safetensors, whose metadata says where it is from. The directory is
// made if it is absent.
func Save(dir string, m *Model) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	config, err := m.config.MarshalHF(m.dtype())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
		return err
	}
	var tensors []Tensor
	for _, s := range m.config.Specs() {
		t, err := m.tensor(s)
		if err != nil {
			return err
		}
		t.Name = s.Name
		tensors = append(tensors, t)
	}
	f, err := os.Create(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		return err
	}
	err = WriteSafeTensors(f, tensors, map[string]string{"format": "pt", "source": m.String()})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
