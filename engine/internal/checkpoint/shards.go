// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	configFile = "config.json"
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
)

// files is a model's directory.
type files interface {
	read(name string, limit int64) ([]byte, error)
	open(name string) (*SafeTensors, error)
	path(name string) string
}

// dirFiles is a directory on disk, whose data files are mapped.
type dirFiles struct{ dir string }

func (d dirFiles) path(name string) string { return filepath.Join(d.dir, name) }

func (d dirFiles) open(name string) (*SafeTensors, error) { return OpenSafeTensors(d.path(name)) }

func (d dirFiles) read(name string, limit int64) ([]byte, error) {
	return readLimited(os.DirFS(d.dir), name, d.path(name), limit)
}

// fsFiles is a directory in a file system, whose files are read.
type fsFiles struct {
	fsys fs.FS
	name string
}

func (f fsFiles) path(name string) string { return f.name + "/" + name }

func (f fsFiles) open(name string) (*SafeTensors, error) {
	data, err := fs.ReadFile(f.fsys, name)
	if err != nil {
		return nil, err
	}
	return ParseSafeTensors(f.path(name), data)
}

func (f fsFiles) read(name string, limit int64) ([]byte, error) {
	return readLimited(f.fsys, name, f.path(name), limit)
}

func readLimited(fsys fs.FS, name, path string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return data, nil
}

// openDir opens a Hugging Face directory.
func openDir(d files, name string) (*Model, error) {
	data, err := d.read(configFile, 1<<20)
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(d.path(configFile), data)
	if err != nil {
		return nil, err
	}
	sh, err := openShards(d)
	if err != nil {
		return nil, err
	}
	stored, err := sh.naming(&c)
	if err != nil {
		sh.Close()
		return nil, err
	}
	return newModel(c, name, sh, stored)
}

// shards is one or many safetensors files as one source.
type shards struct {
	all      string // the index or the single file, for messages
	files    []*SafeTensors
	byTensor map[string]*SafeTensors
}

func openShards(d files) (*shards, error) {
	index, err := d.read(indexFile, maxHeader)
	if err == nil {
		return openIndex(d, index)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := d.open(singleFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noWeights(d)
	}
	if err != nil {
		return nil, err
	}
	sh := &shards{all: d.path(singleFile), files: []*SafeTensors{f}, byTensor: map[string]*SafeTensors{}}
	for name := range f.entries {
		sh.byTensor[name] = f
	}
	return sh, nil
}

// noWeights says what is missing, and what is there that cannot be used.
func noWeights(d files) error {
	for _, other := range []string{"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth", "consolidated.safetensors", "model.gguf"} {
		if _, err := d.read(other, 0); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: found %s, wanted %s or %s (%w)", d.path(""), other, singleFile, indexFile, ErrUnsupported)
		}
	}
	return fmt.Errorf("%s: %w: wanted %s or %s", d.path(""), fs.ErrNotExist, singleFile, indexFile)
}

// openIndex opens the shards that an index names and checks that each has the
// tensors it should.
func openIndex(d files, index []byte) (*shards, error) {
	at := d.path(indexFile)
	weights, err := parseIndex(index)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	sh := &shards{all: at, byTensor: map[string]*SafeTensors{}}
	open := map[string]*SafeTensors{}
	for _, tensor := range slices.Sorted(maps.Keys(weights)) {
		file := weights[tensor]
		f := open[file]
		if f == nil {
			if f, err = d.open(file); err != nil {
				sh.Close()
				if errors.Is(err, fs.ErrNotExist) {
					err = fmt.Errorf("%s: shard %q, which has tensor %q, is missing: %w", at, file, tensor, fs.ErrNotExist)
				}
				return nil, err
			}
			open[file] = f
			sh.files = append(sh.files, f)
		}
		if _, ok := f.entries[tensor]; !ok {
			sh.Close()
			return nil, fmt.Errorf("%s: tensor %q should be in shard %q and is not", at, tensor, file)
		}
		sh.byTensor[tensor] = f
	}
	return sh, nil
}

// parseIndex reads the map from tensor to file. A file's name must not lead
// out of the directory.
func parseIndex(index []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(index))
	weights := map[string]string{}
	err := decodeObject(dec, func(key string) error {
		if key != "weight_map" {
			var skip json.RawMessage
			return dec.Decode(&skip)
		}
		return decodeObject(dec, func(tensor string) error {
			file, err := decodeString(dec)
			if err != nil {
				return err
			}
			if file == "" || file == "." || file != filepath.Base(file) || strings.ContainsAny(file, `/\`) || !filepath.IsLocal(file) {
				return fmt.Errorf("tensor %q is in %q, wanted a file of the same directory", tensor, file)
			}
			weights[tensor] = file
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("offset %#x: %w", dec.InputOffset(), err)
	}
	if len(weights) == 0 {
		return nil, errors.New("no weight_map")
	}
	return weights, nil
}

// naming finds how the files name the canonical tensors, and refuses tensors
// for which the architecture has no use: the model would not be the one that
// was trained.
func (sh *shards) naming(c *Config) (func(string) string, error) {
	prefix, head := "model.", headName
	if c.Arch == Gemma3 { // the text part of a model with vision
		for _, p := range []struct{ prefix, head string }{
			{"language_model.model.", "language_model.lm_head.weight"},
			{"model.language_model.", headName},
		} {
			if _, ok := sh.byTensor[p.prefix+"embed_tokens.weight"]; ok {
				prefix, head = p.prefix, p.head
			}
		}
	}
	stored := func(canonical string) string {
		if canonical == headName {
			return head
		}
		return prefix + strings.TrimPrefix(canonical, "model.")
	}
	used := map[string]bool{head: true} // present and ignored where tied
	for _, s := range c.Specs() {
		used[stored(s.Name)] = true
	}
	for _, name := range sh.Names() {
		switch {
		case used[name], strings.HasSuffix(name, ".rotary_emb.inv_freq"):
		case prefix != "model." && !strings.HasPrefix(name, prefix): // vision
		default:
			return nil, fmt.Errorf("%s: tensor %q has no use in a %s model of %d layers (%w)", sh.where(name), name, c.Arch, c.Layers, ErrUnsupported)
		}
	}
	return stored, nil
}

func (sh *shards) Names() []string { return slices.Sorted(maps.Keys(sh.byTensor)) }

func (sh *shards) Tensor(name string) (Tensor, error) {
	f, ok := sh.byTensor[name]
	if !ok {
		return Tensor{}, fmt.Errorf("%s: no tensor %q", sh.all, name)
	}
	return f.Tensor(name)
}

func (sh *shards) Close() error {
	var err error
	for _, f := range sh.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

func (sh *shards) info(name string) (DType, []int, bool) {
	f, ok := sh.byTensor[name]
	if !ok {
		return "", nil, false
	}
	return f.info(name)
}

func (sh *shards) where(name string) string {
	if f, ok := sh.byTensor[name]; ok {
		return f.name
	}
	return sh.all
}
