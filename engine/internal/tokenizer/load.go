// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFileBytes bounds what Load reads; the largest tokenizers in use have
// about 35 MB.
const maxFileBytes = 256 << 20

// Load reads a tokenizer from a file or from a model's directory. A file that
// begins with '{' is a tokenizer.json, any other a llama2.c tokenizer.bin; in
// a directory tokenizer.json goes first. A tokenizer_config.json beside a
// tokenizer.json adds the roles of its special tokens.
func Load(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return load(os.DirFS(path), path, "tokenizer.json", "tokenizer.bin")
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	return load(os.DirFS(dir), dir, name)
}

// LoadFS is Load of a model's directory in a file system, such as an embedded
// one.
func LoadFS(fsys fs.FS) (*Tokenizer, error) {
	return load(fsys, "", "tokenizer.json", "tokenizer.bin")
}

// load reads the first of names that exists in fsys; dir is for messages.
func load(fsys fs.FS, dir string, names ...string) (*Tokenizer, error) {
	for _, name := range names {
		data, err := readFile(fsys, dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		full := filepath.Join(dir, name)
		if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
			return ParseLlama2C(full, data)
		}
		tk, err := Parse(full, data)
		if err != nil {
			return nil, err
		}
		const config = "tokenizer_config.json"
		data, err = readFile(fsys, dir, config)
		if errors.Is(err, fs.ErrNotExist) {
			return tk, nil
		}
		if err != nil {
			return nil, err
		}
		return tk, tk.nameRoles(filepath.Join(dir, config), data)
	}
	for _, old := range []string{"tokenizer.model", "vocab.json", "vocab.txt", "spiece.model"} {
		if _, err := fs.Stat(fsys, old); err == nil {
			return nil, fmt.Errorf("%s: found %s and no tokenizer.json (%w: convert it with the transformers library)", dir, old, ErrUnsupported)
		}
	}
	return nil, fmt.Errorf("%s: %w: wanted %v", dir, fs.ErrNotExist, names)
}

func readFile(fsys fs.FS, dir, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s: more than %d bytes, wanted a tokenizer", filepath.Join(dir, name), maxFileBytes)
	}
	return data, nil
}
