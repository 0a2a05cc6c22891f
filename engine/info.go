// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"runtime"
	"strconv"

	"github.com/layerscope/layerscope/engine/internal/kernel"
	"github.com/layerscope/layerscope/engine/internal/tokenizer"
)

// Info describes a loaded model and where it runs.
type Info struct {
	Model      string
	Arch       string
	Random     bool // weights made from a seed: scores mean nothing
	Embedded   bool
	Layers     int
	Hidden     int
	Vocab      int
	Parameters int64
	MaxSeqLen  int
	MaxItems   int
	Text       bool   // has a tokenizer; otherwise it takes token ids only
	Backend    string // the device's name in traces
	Kernels    string // "avx512", "avx2" or "portable"
	Workers    int
	Injected   string // faults, as ParseInjection reads them

	BytesInUse, PeakBytesInUse, BytesLimit int64
}

// Info returns the engine's description with the memory in use now.
func (e *Engine) Info() Info {
	st := e.back.MemStats()
	return Info{Model: e.name, Arch: string(e.cfg.Arch), Random: e.random, Embedded: e.name == embeddedName,
		Layers: e.cfg.Layers, Hidden: e.cfg.Hidden, Vocab: e.cfg.Vocab, Parameters: e.params,
		MaxSeqLen: e.opt.MaxSeqLen, MaxItems: e.opt.MaxItems, Text: e.tok != nil,
		Backend: e.back.Name(), Kernels: kernel.Active().String(), Workers: kernel.Workers(), Injected: joinInjections(e.opt.Inject),
		BytesInUse: st.BytesInUse, PeakBytesInUse: st.PeakBytesInUse, BytesLimit: st.BytesLimit}
}

// Metadata is what labels the engine's captures: which model, on what, and that
// weights are random or faults injected where that is so.
func (e *Engine) Metadata() map[string]string {
	in := e.Info()
	m := map[string]string{
		"model": in.Model, "arch": in.Arch, "parameters": strconv.FormatInt(in.Parameters, 10), "layers": strconv.Itoa(in.Layers),
		"backend": "cpu", "device": in.Backend, "device_type": "CPU (layerscope)", "kernels": in.Kernels,
		"workers": strconv.Itoa(in.Workers), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
	}
	if in.Random {
		m["weights"] = "random: scores mean nothing"
	}
	if in.Injected != "" {
		m["injected"] = in.Injected
	}
	return m
}

// TokenIDs returns the ids of a text as an item of a request has them.
func (e *Engine) TokenIDs(text string) ([]int32, error) {
	if e.tok == nil {
		return nil, errNoTokenizer
	}
	return e.tok.Encode(text, tokenizer.EncodeOptions{}), nil
}

// LabelID returns the id of a text that is exactly one token, as a label must
// be.
func (e *Engine) LabelID(text string) (int32, error) {
	ids, err := e.TokenIDs(text)
	if err != nil {
		return 0, err
	}
	if len(ids) != 1 {
		return 0, fmt.Errorf("label %q is %d tokens %d, wanted one", text, len(ids), ids)
	}
	return ids[0], nil
}

// TokenText returns the text of ids.
func (e *Engine) TokenText(ids []int32) (string, error) {
	if e.tok == nil {
		return "", errNoTokenizer
	}
	return e.tok.Decode(ids), nil
}

var errNoTokenizer = refuse("model_not_loaded", "query", "Model has no tokenizer, wanted token ids")
