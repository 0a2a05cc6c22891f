// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/layerscope/layerscope/engine/internal/arena"
	"github.com/layerscope/layerscope/engine/internal/checkpoint"
	"github.com/layerscope/layerscope/engine/internal/cpu"
	"github.com/layerscope/layerscope/engine/internal/kernel"
	"github.com/layerscope/layerscope/engine/internal/program"
	"github.com/layerscope/layerscope/engine/internal/tokenizer"
)

//go:embed embedded/config.json embedded/model.safetensors embedded/tokenizer.json
var embedded embed.FS

// embeddedName is the model that is part of the package; docs/model-card.md
// says what it can do.
const embeddedName = "layerscope-facts"

// Options of an engine; the zero value scores with the embedded model.
type Options struct {
	// Model is a Hugging Face directory, a llama2.c checkpoint (*.bin), or
	// "random:SPEC" such as "random:qwen3-0.6b" or "random:llama-tiny,seed=7";
	// "" or "embedded" is the model in the package.
	Model string
	// Tokenizer is a tokenizer.json or a llama2.c tokenizer.bin; "" looks
	// beside the model.
	Tokenizer string

	MaxItems        int   // of a request; 0 = 512
	MaxSeqLen       int   // tokens of query and one item; 0 = 8192, at most the model's positions
	MaxPackedTokens int   // of one packed pass; 0 = 8192
	ExtendBatch     int   // items of one extend pass; 0 = 32
	QueryRatio      int   // Auto: prefill_extend if the query is longer than so many items; 0 = 4
	ItemsThreshold  int   // Auto: and there are more items than this; 0 = 32
	Buckets         []int // token shapes, rising; nil for a fine ladder
	// Delimiter, if set, goes between query and item, and behind each item of
	// a packed pass. Requests must not contain it.
	Delimiter *int32
	// ConcatText joins query and item as text before tokenising, as some
	// servers do. Merges across the border then change scores; items are
	// computed serially.
	ConcatText bool

	// MemoryLimit bounds the device memory in bytes; 0 = no limit.
	MemoryLimit int64
	// Workers is the number of cores, for the whole process; 0 = all.
	Workers int

	Tracer Tracer // from the start; see SetTracer
	Inject []Injection

	// SnapshotLayers chooses the layers at whose end OnSnapshot gets the live
	// buffers: "all", "N" for every N-th from layer 0, or a list "0,5,27"
	// ("3," for one). The end of each pass is always one.
	SnapshotLayers string
	OnSnapshot     func(MemorySnapshot)

	Log *slog.Logger // a line a request; nil for none
}

// Engine is a loaded model. Its methods may be called by many goroutines;
// forward passes run one after another, each on all cores.
type Engine struct {
	opt       Options
	cfg       checkpoint.Config
	name      string
	random    bool
	params    int64
	tok       *tokenizer.Tokenizer // nil: token ids only
	back      *cpu.Backend
	delimiter []int32
	layers    layerFilter

	exec     chan struct{} // holds one token: the right to use the device
	programs map[program.Shape]*compiled
	uses     map[string]int // recompile injections, by kind and phase
	leaked   []arena.Buffer

	tr     atomic.Pointer[tracing]
	next   atomic.Int64
	mu     sync.Mutex // closed
	closed bool
	active sync.WaitGroup
}

// Open loads a model. Nothing of its files is used afterwards.
func Open(opt Options) (*Engine, error) {
	m, tok, err := openModel(opt)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	defer m.Close()
	e := &Engine{opt: opt, cfg: *m.Config(), name: m.Name(), random: m.IsRandom(), params: m.Config().Params(), tok: tok,
		exec: make(chan struct{}, 1), programs: map[program.Shape]*compiled{}, uses: map[string]int{}}
	e.exec <- struct{}{}
	if err := e.settle(); err != nil {
		return nil, fmt.Errorf("open %s: %w", e.name, err)
	}
	if opt.Workers > 0 {
		kernel.SetWorkers(opt.Workers)
	}
	e.back, err = cpu.Open(m, cpu.Options{
		Arena:     arena.Options{Limit: opt.MemoryLimit, OnEvent: e.memoryEvent},
		Positions: e.opt.MaxSeqLen + 1, // a closing delimiter stands one further
		Slow:      e.slowness,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", e.name, memoryError(err))
	}
	if opt.Tracer != nil {
		e.SetTracer(opt.Tracer)
	}
	return e, nil
}

// settle fills in defaults and checks options.
func (e *Engine) settle() error {
	o := &e.opt
	for _, d := range []struct {
		field *int
		value int
		name  string
	}{
		{&o.MaxItems, 512, "MaxItems"}, {&o.MaxSeqLen, 8192, "MaxSeqLen"}, {&o.MaxPackedTokens, 8192, "MaxPackedTokens"},
		{&o.ExtendBatch, 32, "ExtendBatch"}, {&o.QueryRatio, 4, "QueryRatio"}, {&o.ItemsThreshold, 32, "ItemsThreshold"},
	} {
		if *d.field < 0 {
			return fmt.Errorf("%s is %d, wanted a positive number", d.name, *d.field)
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	o.MaxSeqLen = min(o.MaxSeqLen, e.cfg.MaxPositions)
	for i, b := range o.Buckets {
		if b < 1 || i > 0 && b <= o.Buckets[i-1] {
			return fmt.Errorf("buckets %d, wanted rising positive numbers", o.Buckets)
		}
	}
	o.Buckets = slices.Clone(o.Buckets)
	if o.Delimiter != nil {
		d := *o.Delimiter
		if d < 0 || int(d) >= e.cfg.Vocab {
			return fmt.Errorf("delimiter %d, the vocabulary has %d", d, e.cfg.Vocab)
		}
		if e.tok != nil && e.tok.Special().Pad == d {
			return fmt.Errorf("delimiter %d is the padding token: padding would read as delimiters", d)
		}
		e.delimiter = []int32{d}
	}
	var err error
	e.layers, err = parseLayers(o.SnapshotLayers)
	return err
}

func openModel(opt Options) (*checkpoint.Model, *tokenizer.Tokenizer, error) {
	if opt.Model == "" || opt.Model == "embedded" {
		sub, err := fs.Sub(embedded, "embedded")
		if err != nil {
			return nil, nil, err
		}
		m, err := checkpoint.OpenFS(sub, embeddedName)
		if err != nil {
			return nil, nil, err
		}
		tok, err := tokenizer.LoadFS(sub)
		if err != nil {
			m.Close()
			return nil, nil, err
		}
		return m, tok, nil
	}
	m, err := checkpoint.Open(opt.Model)
	if err != nil {
		return nil, nil, err
	}
	tok, err := openTokenizer(opt, m)
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return m, tok, nil
}

// openTokenizer finds the model's tokenizer; without one the engine takes token
// ids only.
func openTokenizer(opt Options, m *checkpoint.Model) (*tokenizer.Tokenizer, error) {
	var tok *tokenizer.Tokenizer
	var err error
	switch path := opt.Tokenizer; {
	case path != "":
		tok, err = tokenizer.Load(path)
	case m.IsRandom():
		if m.Config().Vocab < 256 {
			return nil, nil
		}
		return tokenizer.Bytes(), nil
	default:
		dir := opt.Model
		if strings.HasSuffix(dir, ".bin") {
			dir = filepath.Join(filepath.Dir(dir), "tokenizer.bin")
		}
		if tok, err = tokenizer.Load(dir); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if tok.VocabSize() > m.Config().Vocab {
		return nil, fmt.Errorf("tokenizer has %d tokens, but the model's vocabulary %d", tok.VocabSize(), m.Config().Vocab)
	}
	return tok, nil
}

// Close waits for requests that run, frees everything and reports buffers that
// were leaked. Later requests are refused.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.active.Wait()
	if err := e.back.Close(); err != nil {
		return fmt.Errorf("close %s: %w%s", e.name, err, e.injected())
	}
	return nil
}

// injected names the faults in messages about their effects.
func (e *Engine) injected() string {
	if len(e.opt.Inject) == 0 {
		return ""
	}
	return fmt.Sprintf(" (injected: %s)", joinInjections(e.opt.Inject))
}

func joinInjections(list []Injection) string {
	var names []string
	for _, in := range list {
		names = append(names, in.String())
	}
	return strings.Join(names, ",")
}

func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return refuse("model_not_loaded", "model", "Model %s is closed", e.name)
	}
	e.active.Add(1)
	return nil
}

// memoryError gives an allocation that did not fit its code.
func memoryError(err error) error {
	var oom *arena.OutOfMemory
	if errors.As(err, &oom) {
		return &Error{Code: "out_of_memory", Message: "Device memory is exhausted: " + oom.Error(), Err: err}
	}
	return err
}
