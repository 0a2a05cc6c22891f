// SPDX-License-Identifier: Apache-2.0

// Package checkpoint reads the weights and the configuration of a decoder from
// where they are stored: a Hugging Face directory (config.json with one or
// many safetensors files), a llama2.c checkpoint, or nowhere, for models of
// any shape whose weights are made from a seed.
//
// All of them come out as one thing, Weights: tensors by the role they have in
// a forward pass, as views of the stored bytes in the stored type. Files are
// mapped, so opening a model reads its headers only, and a matrix costs memory
// once it is used. What a model needs and the engine lacks is refused by name
// when it is opened, and so is a tensor that is missing or has another shape
// than the configuration says.
package checkpoint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Weights gives a model's tensors by role. Its methods may be called by many
// goroutines, but not together with Close.
type Weights interface {
	Config() *Config
	Embed() (Tensor, error)     // [Vocab, Hidden]
	Layer(int) (Layer, error)   //
	FinalNorm() (Tensor, error) // [Hidden]
	LMHead() (Tensor, error)    // [Vocab, Hidden]; the embedding where tied
	Close() error               // tensors must not be used after it
}

// Model is an open model. It implements Weights.
type Model struct {
	config Config
	name   string
	random bool
	src    source
	stored func(canonical string) string // canonical name to the source's
}

var _ Weights = (*Model)(nil)

// source is where tensors come from, by their names there.
type source interface {
	Names() []string
	Tensor(name string) (Tensor, error)
	Close() error
	info(name string) (DType, []int, bool)
	where(name string) string // the file, for messages
}

// Open opens a model: a directory with config.json and safetensors files, a
// llama2.c checkpoint (*.bin), or "random:SPEC", for which see Random.
func Open(path string) (*Model, error) {
	if strings.HasPrefix(path, randomPrefix) {
		return Random(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return openDir(dirFiles{path}, filepath.Base(path))
	case filepath.Ext(path) == ".bin":
		return openLlama2C(path)
	}
	return nil, fmt.Errorf("%s: a single %q file, wanted a directory with config.json and safetensors, or a llama2.c .bin (%w)", path, filepath.Ext(path), ErrUnsupported)
}

// OpenFS opens a Hugging Face directory in a file system, such as an embedded
// one; its files are read into memory. name is for messages.
func OpenFS(fsys fs.FS, name string) (*Model, error) {
	return openDir(fsFiles{fsys, name}, name)
}

// newModel checks that the source has every tensor of the configuration and
// takes it over; it closes the source on error.
func newModel(c Config, name string, src source, stored func(string) string) (*Model, error) {
	m := &Model{config: c, name: name, src: src, stored: stored}
	if err := m.checkTensors(); err != nil {
		src.Close()
		return nil, err
	}
	return m, nil
}

// checkTensors holds the source's tensors against those the configuration
// asks for.
func (m *Model) checkTensors() error {
	missing, first := 0, ""
	for _, s := range m.config.Specs() {
		name := m.stored(s.Name)
		dtype, shape, ok := m.src.info(name)
		switch {
		case !ok:
			if missing++; missing == 1 {
				first = name
			}
		case !dtype.usable():
			return fmt.Errorf("%s: tensor %q is %s, wanted BF16, F16 or F32 (%w)", m.src.where(name), name, dtype, ErrUnsupported)
		case !slices.Equal(shape, s.Shape):
			return fmt.Errorf("%s: tensor %q has shape %d, but the configuration makes it %d", m.src.where(name), name, shape, s.Shape)
		}
	}
	if missing == 1 {
		return fmt.Errorf("%s: tensor %q is missing", m.src.where(first), first)
	}
	if missing > 1 {
		return fmt.Errorf("%s: tensor %q and %d more are missing", m.src.where(first), first, missing-1)
	}
	return nil
}

// Config returns the configuration, which must not be changed.
func (m *Model) Config() *Config { return &m.config }

// Name is the directory's or file's name, or the specification of a random
// model.
func (m *Model) Name() string { return m.name }

// IsRandom tells whether the weights are made from a seed, and scores so mean
// nothing.
func (m *Model) IsRandom() bool { return m.random }

// String is the name with a label for random weights.
func (m *Model) String() string {
	if m.random {
		return m.name + " (random weights)"
	}
	return m.name
}

// Embed returns the token embedding, [Vocab, Hidden].
func (m *Model) Embed() (Tensor, error) {
	return m.tensor(Spec{embedName, []int{m.config.Vocab, m.config.Hidden}})
}

// FinalNorm returns the norm before the head, [Hidden].
func (m *Model) FinalNorm() (Tensor, error) {
	return m.tensor(Spec{normName, []int{m.config.Hidden}})
}

// LMHead returns the output matrix, [Vocab, Hidden]; the embedding where the
// two are tied.
func (m *Model) LMHead() (Tensor, error) {
	if m.config.TieEmbeddings {
		return m.Embed()
	}
	return m.tensor(Spec{headName, []int{m.config.Vocab, m.config.Hidden}})
}

// Layer returns the weights of layer i.
func (m *Model) Layer(i int) (Layer, error) {
	var l Layer
	if i < 0 || i >= m.config.Layers {
		return l, fmt.Errorf("%s: layer %d, wanted 0 to %d", m.name, i, m.config.Layers-1)
	}
	for _, s := range m.config.slots() {
		t, err := m.tensor(Spec{layerTensor(i, s.name), s.shape})
		if err != nil {
			return Layer{}, err
		}
		*s.field(&l) = t
	}
	return l, nil
}

// Bytes is the size of all weights as stored.
func (m *Model) Bytes() int64 {
	n := int64(0)
	for _, s := range m.config.Specs() {
		dtype, shape, _ := m.src.info(m.stored(s.Name))
		e, _ := elements(shape)
		n += e * int64(dtype.Size())
	}
	return n
}

// Close releases the files and the memory of made weights.
func (m *Model) Close() error { return m.src.Close() }

func (m *Model) tensor(s Spec) (Tensor, error) {
	return m.src.Tensor(m.stored(s.Name))
}

// dtype is the type of the embedding, by which a model is called bf16 or f32.
func (m *Model) dtype() DType {
	d, _, _ := m.src.info(m.stored(embedName))
	return d
}

func sameName(canonical string) string { return canonical }
