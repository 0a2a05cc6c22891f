// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/gcs"
	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/trace"
)

const (
	maxListed   = 100_000  // objects looked at below a prefix
	maxManifest = 64 << 20 // bytes
)

// A farInput is what an address in a bucket stands for: an object, or what lies
// below a prefix.
type farInput struct {
	address string // without a slash at the end
	store   objects.Store
	under   string // prefix of what lies below, with a slash; "" for an object
	names   []string
	sizes   map[string]int64
	alone   *objects.Info // of an object; nil = what lies below
	bundled bool          // names are those that a manifest lists as captures and profiles
	planned int           // steps the profiler was asked for; 0 = not known
}

// far looks at an address. What is neither an object nor has any below it is an
// error.
func (a *app) far(ctx context.Context, address string) (*farInput, error) {
	bucket, name, err := gcs.Split(address)
	if err != nil {
		return nil, usagef("gs://bucket/path of a capture, or of a run", "%v", err)
	}
	f := &farInput{address: strings.TrimSuffix("gs://"+bucket+"/"+name, "/")}
	if f.store, err = a.bucket(ctx, bucket); err != nil {
		return nil, err
	}
	if name != "" && !strings.HasSuffix(address, "/") {
		o, err := f.store.Stat(ctx, name)
		if err == nil {
			f.names, f.alone = []string{name}, &o
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	f.sizes = make(map[string]int64)
	if name != "" {
		f.under = name + "/"
	}
	for o, err := range f.store.List(ctx, f.under) {
		if err != nil {
			return nil, err
		}
		if len(f.names) == maxListed {
			return nil, &trace.InputError{Path: address, Msg: fmt.Sprintf("more than %d objects below it", maxListed), Hint: "name one run, or its capture"}
		}
		f.names = append(f.names, o.Name)
		f.sizes[o.Name] = o.Size
	}
	if len(f.names) == 0 {
		return nil, &trace.InputError{Path: address, Msg: "no object of that name, and none below it", Hint: "gcloud storage ls " + quoted(f.address[:strings.LastIndexByte(f.address, '/')+1]) + " shows what is there"}
	}
	slices.Sort(f.names)
	return f, f.readManifest(ctx)
}

// bucket opens a bucket, once.
func (a *app) bucket(ctx context.Context, name string) (objects.Store, error) {
	if s := a.buckets[name]; s != nil {
		return s, nil
	}
	s, err := a.store(context.WithoutCancel(ctx), "gs://"+name) // other inputs use it too
	if err == nil {
		if a.buckets == nil {
			a.buckets = make(map[string]objects.Store)
		}
		a.buckets[name] = s
	}
	return s, err
}

// readManifest has the manifest of a bundle say what its captures are.
func (f *farInput) readManifest(ctx context.Context) error {
	name := f.under + "manifest.json"
	if _, ok := f.sizes[name]; !ok {
		return nil
	}
	text, err := objects.ReadAll(ctx, f.store, name, maxManifest)
	if err != nil {
		return err
	}
	var m bundle.Manifest
	if err := json.Unmarshal(text, &m); err != nil || m.Schema != "layerscope.bundle/v1" {
		return nil // another's
	}
	f.bundled, f.names = true, nil
	for _, file := range m.Files {
		if file.Role != "capture" && file.Role != "memory" {
			continue
		}
		full := f.under + file.Path
		switch size, ok := f.sizes[full]; {
		case objects.CheckName(full) != nil || !fs.ValidPath(file.Path):
			err = fmt.Errorf("lists %q", file.Path)
		case !ok:
			err = fmt.Errorf("lists %s, which is not there", file.Path)
		case size != file.Bytes:
			err = fmt.Errorf("lists %s with %d bytes, it has %d", file.Path, file.Bytes, size)
		}
		if err != nil {
			return &trace.InputError{Path: f.address + "/manifest.json", Msg: err.Error(), Hint: "layerscope pull and bundle verify say what else is wrong; push the run again"}
		}
		f.names = append(f.names, full)
	}
	f.planned = f.readPlanned(ctx)
	return nil
}

func (f *farInput) readPlanned(ctx context.Context) int {
	for _, name := range plannedFiles {
		if _, ok := f.sizes[f.under+name]; !ok {
			continue
		}
		if text, err := objects.ReadAll(ctx, f.store, f.under+name, 1<<20); err == nil {
			if n := stepsPlanned(text); n > 0 {
				return n
			}
		}
	}
	return 0
}

// captures are the files of the input's newest session.
func (f *farInput) captures() ([]string, []trace.Finding, error) {
	if f.alone != nil {
		return f.names, nil, nil
	}
	names, found := trace.Captures(f.names)
	if len(names) == 0 {
		return nil, nil, &trace.InputError{Path: f.address, Msg: fmt.Sprintf("no captures among the %d objects below it, wanted *.xplane.pb, *.trace.json.gz or *.trace.txt", len(f.names)), Hint: "name a run, or its capture"}
	}
	return names, found, nil
}

// stat describes one of the input's objects.
func (f *farInput) stat(ctx context.Context, name string) (objects.Info, error) {
	if f.alone != nil {
		return *f.alone, nil
	}
	return f.store.Stat(ctx, name)
}

// openFar reads captures from a bucket.
func (a *app) openFar(ctx context.Context, f *farInput, opts trace.Options) (*trace.Trace, error) {
	names, found, err := f.captures()
	if err != nil {
		return nil, err
	}
	n := &traffic{address: f.address}
	files := make([]trace.Remote, len(names))
	for i, name := range names {
		o, err := f.stat(ctx, name)
		if err != nil {
			return nil, err
		}
		files[i] = a.remote(f.store, o, n)
	}
	t, err := trace.OpenRemote(opts, files...)
	if err != nil {
		return nil, err
	}
	t.Findings = append(t.Findings, found...)
	if f.planned > 0 && t.Metadata["num_steps"] == "" {
		t.Metadata["num_steps"] = strconv.Itoa(f.planned)
	}
	a.fetched = append(a.fetched, n)
	return t, nil
}

// traffic counts what is read of an input.
type traffic struct {
	address         string
	requests, bytes atomic.Int64
}

// tellTraffic says what was read of inputs in buckets, to those who want to know.
func (a *app) tellTraffic() {
	for _, n := range a.fetched {
		if a.verbose {
			a.say("layerscope: %s: %d bytes in %d requests", n.address, n.bytes.Load(), n.requests.Load())
		}
	}
	a.fetched = nil
}

// remote is one object as a capture; its generation is that of o.
func (a *app) remote(s objects.Store, o objects.Info, n *traffic) trace.Remote {
	address := s.String() + "/" + o.Name
	return trace.Remote{
		Name: address, Size: o.Size, Version: fmt.Sprintf("generation %d", o.Generation), CRC32C: crcText(o.CRC32C),
		Range: func(ctx context.Context, off, length int64) (io.ReadCloser, error) {
			n.requests.Add(1)
			r, err := s.Read(ctx, o.Name, o.Generation, off, length)
			if err != nil {
				return nil, farError(address, o.Generation, off, err)
			}
			return &farBody{ReadCloser: r, address: address, generation: o.Generation, at: off, n: &n.bytes}, nil
		},
		Whole: func(what string) {
			a.say("layerscope: %s: %s cannot be read in parts: all of its %d bytes are read, in one pass", address, what, o.Size)
		},
	}
}

// crcText is a CRC32C as buckets show it.
func crcText(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// A farBody counts what is read, and says where reading failed.
type farBody struct {
	io.ReadCloser
	address        string
	generation, at int64
	n              *atomic.Int64
}

func (b *farBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	b.at += int64(n)
	if err != nil && err != io.EOF {
		err = farError(b.address, b.generation, b.at, err)
	}
	return n, err
}

// farError says what happened to an object while it was read.
func farError(address string, generation, off int64, err error) error {
	in := &trace.InputError{Path: address}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, objects.ErrChanged):
		in.Msg = fmt.Sprintf("offset 0x%x: the object is another one by now, wanted generation %d", off, generation)
		in.Hint = "what was read so far is dropped; read it again when nobody writes to it"
	case errors.Is(err, fs.ErrNotExist):
		in.Msg = fmt.Sprintf("offset 0x%x: the object of generation %d is gone", off, generation)
		in.Hint = "it was deleted or replaced while it was read"
	default:
		in.Msg = fmt.Sprintf("offset 0x%x: %v", off, err)
		in.Hint = hintFor(err)
	}
	return in
}
