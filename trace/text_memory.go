// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/layerscope/layerscope/trace/hlo"
	"github.com/layerscope/layerscope/trace/internal/inflate"
	"github.com/layerscope/layerscope/trace/internal/tracetxt"
)

// allocFact is one number of an allocator event in the text form.
type allocFact struct {
	key string
	at  func(*Alloc) *int64
}

var allocFacts = []allocFact{
	{"inline", func(a *Alloc) *int64 { return (*int64)(&a.InLine) }},
	{"reserved", func(a *Alloc) *int64 { return &a.Reserved }},
	{"allocated", func(a *Alloc) *int64 { return &a.Allocated }},
	{"available", func(a *Alloc) *int64 { return &a.Available }},
	{"peak", func(a *Alloc) *int64 { return &a.Peak }},
	{"requested", func(a *Alloc) *int64 { return &a.Requested }},
	{"bytes", func(a *Alloc) *int64 { return &a.Bytes }},
	{"type", func(a *Alloc) *int64 { return &a.DataType }},
	{"step", func(a *Alloc) *int64 { return &a.Step }},
}

var allocTexts = []struct {
	key string
	at  func(*Alloc) *string
}{
	{"allocator", func(a *Alloc) *string { return &a.Allocator }},
	{"host", func(a *Alloc) *string { return &a.Host }},
	{"scope", func(a *Alloc) *string { return &a.Scope }},
	{"region", func(a *Alloc) *string { return &a.Region }},
	{"shape", func(a *Alloc) *string { return &a.Shape }},
}

// alloc writes "alloc TIME|free TIME [key=…]".
func (x *textWriter) alloc(a *Alloc) {
	word := "alloc"
	if a.Free {
		word = "free"
	}
	fmt.Fprintf(x.w, "%s %d", word, a.Time)
	for _, f := range allocTexts {
		x.field(f.key, *f.at(a))
	}
	for _, f := range allocFacts {
		x.number(f.key, *f.at(a))
	}
	if a.Fragmentation != 0 {
		x.field("fragmentation", strconv.FormatFloat(a.Fragmentation, 'g', -1, 64))
	}
	if a.Addr != 0 {
		x.field("addr", strconv.FormatUint(a.Addr, 16))
	}
	x.end()
}

func (x *textReader) alloc(l *tracetxt.Line) error {
	time, err := l.Int(0)
	if err != nil {
		return err
	}
	a := Alloc{Time: Time(time), Free: l.Word == "free"}
	for _, f := range allocTexts {
		*f.at(&a) = l.Values[f.key]
	}
	for _, f := range allocFacts {
		if *f.at(&a), err = l.Key(f.key); err != nil {
			return err
		}
	}
	if v, ok := l.Values["fragmentation"]; ok {
		if a.Fragmentation, err = strconv.ParseFloat(v, 64); err != nil {
			return l.Errorf("fragmentation=%s: wanted a number", v)
		}
	}
	if v, ok := l.Values["addr"]; ok {
		if a.Addr, err = strconv.ParseUint(v, 16, 64); err != nil {
			return l.Errorf("addr=%s: wanted a hexadecimal number", v)
		}
	}
	x.t.Allocs = append(x.t.Allocs, a)
	return nil
}

// protoChunk is the length of a line of a module's bytes.
const protoChunk = 4000

// module writes the bytes of a program's HLO: gzip, in base64, in chunks.
func (x *textWriter) module(program int, raw []byte) {
	if raw == nil {
		return
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = z.Write(raw)                                   // a buffer takes everything
	_ = z.Close()
	text := base64.RawStdEncoding.EncodeToString(b.Bytes())
	for chunk := range slices.Chunk([]byte(text), protoChunk) {
		x.line("hlo-proto %d %s", program, chunk)
	}
}

// proto collects the chunks of a program's module.
func (x *textReader) proto(l *tracetxt.Line) error {
	p, err := x.programOf(l)
	if err != nil {
		return err
	}
	if x.protos == nil {
		x.protos = make(map[int][]byte)
	}
	x.protos[p] = append(x.protos[p], l.Arg(1)...)
	return nil
}

// maxModule bounds what the bytes of one module expand to.
const maxModule = 1 << 30

// finish decodes the modules, once all of their chunks are there; like the
// reader of XSpace it parses those that ops refer to.
func (x *textReader) finish() error {
	used := make(map[int]bool)
	for i := range x.t.Ops {
		used[x.t.Ops[i].Program] = true
	}
	for p, text := range x.protos {
		raw, err := decodeModule(text, min(x.budget, maxModule))
		if x.budget -= int64(len(raw)); x.budget <= 0 {
			return tooLarge(x.limit)
		}
		x.t.Programs[p].raw = raw
		if err == nil && used[p] {
			x.t.Programs[p].Module, err = hlo.Parse(raw)
		}
		if err != nil {
			x.t.Programs[p].Module = nil
			x.t.find(Finding{Code: "hlo-damaged", Severity: Warning, Message: fmt.Sprintf("HLO of %s: %v", x.t.Programs[p].Name, err), Hint: "scopes and costs of its ops are missing"})
		}
	}
	return nil
}

func decodeModule(text []byte, most int64) ([]byte, error) {
	z, err := inflate.NewReader(base64.NewDecoder(base64.RawStdEncoding, bytes.NewReader(text)), inflate.Options{})
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(z, most))
	if err == nil && int64(len(raw)) == most {
		err = fmt.Errorf("expands to more than %d bytes", most)
	}
	return raw, err
}
