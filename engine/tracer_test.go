// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeTracer keeps everything, for tests.
type fakeTracer struct {
	mu      sync.Mutex
	ids     map[string]uint32
	names   []string
	ops     map[uint32]OpInfo
	tracks  []*fakeTrack
	meta    map[string]string
	memory  []MemoryEvent
	onBegin func(name string)
}

type fakeSpan struct {
	name, path string
	start, end time.Time
	ints       map[string]int64
	texts      map[string]string
}

type fakeTrack struct {
	tr    *fakeTracer
	name  string
	mu    sync.Mutex // turns two writers at once into an error of the race detector's kind
	stack []*fakeSpan
	spans []*fakeSpan
	bad   []string
}

func (f *fakeTracer) Name(name string) uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ids == nil {
		f.ids, f.ops, f.meta = map[string]uint32{}, map[uint32]OpInfo{}, map[string]string{}
	}
	if id, ok := f.ids[name]; ok {
		return id
	}
	f.names = append(f.names, name)
	f.ids[name] = uint32(len(f.names) - 1)
	return f.ids[name]
}

func (f *fakeTracer) Op(op OpInfo) uint32 {
	id := f.Name(op.Program + "|" + op.Name)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops[id] = op
	return id
}

func (f *fakeTracer) Track(name string) TraceTrack { return f.track(name) }

func (f *fakeTracer) Device(device, line string) TraceTrack { return f.track(device + " " + line) }

func (f *fakeTracer) track(name string) *fakeTrack {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &fakeTrack{tr: f, name: name}
	f.tracks = append(f.tracks, t)
	return t
}

func (f *fakeTracer) Count(uint32, int64) {}

func (f *fakeTracer) Memory(ev MemoryEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.memory = append(f.memory, ev)
}

func (f *fakeTracer) Metadata(key, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meta[key] = value
}

func (t *fakeTrack) Begin(id uint32) {
	if !t.mu.TryLock() {
		panic("two writers on " + t.name)
	}
	defer t.mu.Unlock()
	t.tr.mu.Lock()
	name := t.tr.names[id]
	t.tr.mu.Unlock()
	s := &fakeSpan{name: name, start: time.Now(), ints: map[string]int64{}, texts: map[string]string{}}
	if n := len(t.stack); n > 0 {
		s.path = t.stack[n-1].path + " > "
	}
	s.path += name
	t.stack, t.spans = append(t.stack, s), append(t.spans, s)
	if t.tr.onBegin != nil {
		t.tr.onBegin(name)
	}
}

func (t *fakeTrack) End() {
	n := len(t.stack)
	if n == 0 {
		t.bad = append(t.bad, "end without a begin")
		return
	}
	t.stack[n-1].end = time.Now()
	t.stack = t.stack[:n-1]
}

func (t *fakeTrack) Int(key uint32, v int64) {
	if n := len(t.stack); n > 0 {
		t.stack[n-1].ints[t.tr.names[key]] = v
	}
}

func (t *fakeTrack) Text(key uint32, v string) {
	if n := len(t.stack); n > 0 {
		t.stack[n-1].texts[t.tr.names[key]] = v
	}
}

// check reports spans left open or closed twice.
func (f *fakeTracer) check(t *testing.T) {
	t.Helper()
	for _, tr := range f.tracks {
		for _, s := range tr.stack {
			t.Errorf("%s: span %s is open", tr.name, s.name)
		}
		for _, b := range tr.bad {
			t.Errorf("%s: %s", tr.name, b)
		}
	}
}

func (f *fakeTracer) find(track string) *fakeTrack {
	for _, t := range f.tracks {
		if t.name == track {
			return t
		}
	}
	return nil
}

// TestSpans: the nesting, attributes and operations of one packed request.
func TestSpans(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:gemma3-tiny"})
	f := &fakeTracer{}
	e.SetTracer(f)
	score(t, e, Request{ID: "abc", QueryIDs: indices32(30), ItemIDs: [][]int32{{1, 2}, {3}}, Labels: []int32{1}, Algorithm: Packed})
	f.check(t)
	host, ops, modules := f.find("scorer"), f.find("/device:CPU:0 XLA Ops"), f.find("/device:CPU:0 XLA Modules")
	if host == nil || ops == nil || modules == nil {
		t.Fatalf("tracks: %v", f.tracks)
	}
	const deep = "score > score/prefill > score/prefill/layer_03 > score/prefill/layer_03/attention > score/prefill/layer_03/attention/qkv_proj"
	found := 0
	for _, s := range host.spans {
		if s.path == deep {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d spans %s", found, deep)
	}
	root, pass := host.spans[0], (*fakeSpan)(nil)
	for _, s := range host.spans {
		if s.name == "score/prefill" {
			pass = s
		}
	}
	if root.texts["request_id"] != "abc" || root.texts["algorithm"] != "packed" || root.ints["items"] != 2 || root.ints["tokens"] != 33 || root.ints["padded_tokens"] != 48 {
		t.Errorf("request's attributes: %v %v", root.texts, root.ints)
	}
	if pass.ints["tokens"] != 33 || pass.ints["bucket"] != 48 || pass.ints["padded_tokens"] != 15 || pass.ints["batch_size"] != 2 {
		t.Errorf("pass's attributes: %v", pass.ints)
	}
	if len(modules.spans) != 1 || modules.spans[0].name != "score_prefill_t48_r2" {
		t.Errorf("modules: %v", modules.spans)
	}
	segments, flops := 0, int64(0)
	for _, s := range ops.spans {
		op := f.ops[f.ids[s.name]]
		if op.Scope == "" || op.Category == "" || op.Bytes <= 0 {
			t.Errorf("operation %+v", op)
		}
		if op.Scope == "score/prefill/layer_03/mlp/gate_up_proj" {
			flops = op.FLOPs
		}
		if s.start.Before(modules.spans[0].start) || s.end.After(modules.spans[0].end) {
			t.Errorf("operation %s is outside of its module", s.name)
		}
		segments++
	}
	if want := int64(2 * 48 * 64 * 2 * 192); flops != want {
		t.Errorf("gate_up_proj: %d FLOPs, wanted %d", flops, want)
	}
	if want := 1 + 1 + 6*14 + 4; segments != want { // Gemma's 14 segments a layer
		t.Errorf("%d operations, wanted %d", segments, want)
	}
	if f.meta["weights"] == "" || f.meta["model"] == "" {
		t.Errorf("metadata %v", f.meta)
	}
	balance := int64(0)
	for _, ev := range f.memory {
		if ev.Op.String() == "free" {
			balance -= ev.Size
		} else {
			balance += ev.Size
		}
	}
	if len(f.memory) == 0 || balance != 0 {
		t.Errorf("%d memory events, balance %d", len(f.memory), balance)
	}
}

// TestExtendSpans: prefill_extend has its own phase, with the cache's tokens.
func TestExtendSpans(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:qwen3-tiny", ExtendBatch: 2})
	f := &fakeTracer{}
	e.SetTracer(f)
	score(t, e, Request{QueryIDs: indices32(30), ItemIDs: [][]int32{{1, 2}, {3}, {4}}, Labels: []int32{1}, Algorithm: PrefillExtend})
	f.check(t)
	count := map[string]int{}
	for _, s := range f.find("scorer").spans {
		count[s.name]++
	}
	for name, want := range map[string]int{"score": 1, "score/prefill": 1, "score/extend": 2, "score/extend/layer_00": 2, "score/compile": 3, "score/queue": 3,
		"score/prefill/layer_03/attention/kv_write": 1, "score/prefill/layer_03/attention/softmax": 0, "score/prefill/lm_head": 0} {
		if count[name] != want {
			t.Errorf("%d spans %s, wanted %d", count[name], name, want)
		}
	}
	for _, s := range f.find("/device:CPU:0 XLA Ops").spans {
		if strings.Contains(s.name, "attention/softmax") && strings.Contains(s.name, "extend") && s.ints["flops"] == 0 {
			t.Errorf("%s has no FLOPs", s.name)
		}
	}
	if t.Failed() {
		fmt.Println(count)
	}
}
