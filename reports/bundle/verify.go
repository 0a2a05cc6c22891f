// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// maxFiles bounds the files of a bundle.
const maxFiles = 100_000

// A Result says how a bundle compares with its hashes. Paths are relative to it.
type Result struct {
	// Manifest is false for bundles that have a checksums.txt only.
	Manifest bool     `json:"manifest"`
	Listed   int      `json:"listed"` // files with a hash
	Bytes    int64    `json:"bytes"`  // that were hashed
	Missing  []string `json:"missing"`
	Extra    []string `json:"extra"`
	Changed  []string `json:"changed"`
	// Dropped were left out on purpose, as the manifest says; Parent is the SHA-256
	// of the manifest that had them.
	Dropped []string `json:"dropped"`
	Parent  string   `json:"parent,omitempty"`
	// Problems are about the bundle itself: what its entries or its lists can't be.
	Problems []string `json:"problems"`
}

// OK says whether everything is as listed. Files in no list are no fault of a
// bundle without a manifest: others list their raw captures only.
func (r *Result) OK() bool {
	return len(r.Missing)+len(r.Changed)+len(r.Problems) == 0 && (!r.Manifest || len(r.Extra) == 0)
}

func (r *Result) sort() {
	for _, list := range []*[]string{&r.Missing, &r.Extra, &r.Changed, &r.Dropped, &r.Problems} {
		slices.Sort(*list)
		if *list = slices.Compact(*list); *list == nil {
			*list = []string{}
		}
	}
}

func (r *Result) droppedFrom(m *Manifest) {
	for _, f := range m.Dropped {
		r.Dropped = append(r.Dropped, f.Path)
	}
	if m.Retention != nil {
		r.Parent = m.Retention.Parent
	}
}

// Verify hashes the files of a bundle, which is a directory or a .tar.zst file,
// and compares. An error means that there is nothing to compare with, or that a
// file could not be read.
func Verify(name string) (*Result, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return verifyPacked(name)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	v := &verifier{root: root, sizes: make(map[string]int64)}
	if err := v.walk(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := v.compare(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v.sort()
	return &v.Result, nil
}

type verifier struct {
	Result
	root  *os.Root
	sizes map[string]int64 // regular files
}

// walk lists the files. Links are not followed.
func (v *verifier) walk() error {
	n := 0
	return fs.WalkDir(v.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n++; n > maxFiles {
			return fmt.Errorf("entry %q: more than %d entries", p, maxFiles)
		}
		switch {
		case d.IsDir():
		case !d.Type().IsRegular():
			v.Problems = append(v.Problems, fmt.Sprintf("%s: %s, wanted a file", p, kindOf(d.Type())))
		default:
			info, err := d.Info()
			if err != nil {
				return err
			}
			v.sizes[p] = info.Size()
		}
		return nil
	})
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	}
	return "a special file"
}

func (v *verifier) compare() error {
	_, hasManifest := v.sizes[manifestFile]
	_, hasSums := v.sizes[checksumsFile]
	if !hasManifest && !hasSums {
		return errors.New("no bundle: found neither manifest.json nor checksums.txt")
	}
	var list []checksum
	if hasSums {
		text, err := v.read(checksumsFile)
		if err == nil {
			list, err = parseChecksums(text)
		}
		if err != nil {
			v.Problems = append(v.Problems, err.Error())
		}
	}
	files := make([]File, 0, len(list))
	for _, c := range list {
		files = append(files, File{Path: c.path, SHA256: c.sum, Bytes: -1})
	}
	if hasManifest {
		if v.Manifest = true; !hasSums {
			v.Missing = append(v.Missing, checksumsFile)
		}
		text, err := v.read(manifestFile)
		var m *Manifest
		if err == nil {
			m, err = parseManifest(text)
		}
		if err != nil {
			v.Problems = append(v.Problems, err.Error())
		} else {
			sum, problems := agree(m, list)
			if hasSums {
				v.Problems = append(v.Problems, problems...)
			}
			files = m.Files
			v.droppedFrom(m)
			if sum != "" {
				files = append(slices.Clone(files), File{Path: manifestFile, SHA256: sum, Bytes: -1})
			}
		}
	}
	return v.hashAll(files)
}

func (v *verifier) hashAll(files []File) error {
	v.Listed = len(files)
	left := v.sizes
	for _, f := range files {
		size, ok := v.sizes[f.Path]
		switch {
		case !ok:
			v.Missing = append(v.Missing, f.Path)
			continue
		case f.Bytes >= 0 && f.Bytes != size:
			v.Changed = append(v.Changed, f.Path)
		default:
			sum, err := v.hash(f.Path)
			if err != nil {
				return err
			}
			if sum != f.SHA256 {
				v.Changed = append(v.Changed, f.Path)
			}
		}
		delete(left, f.Path)
	}
	for p := range left {
		if p != manifestFile && p != checksumsFile {
			v.Extra = append(v.Extra, p)
		}
	}
	return nil
}

func (v *verifier) hash(name string) (string, error) {
	f, err := v.root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	v.Bytes += n
	return hex.EncodeToString(h.Sum(nil)), err
}

func (v *verifier) read(name string) ([]byte, error) {
	f, err := v.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readIndex(name, f)
}

// readIndex reads a manifest or a list of checksums whole.
func readIndex(name string, from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxIndex+1))
	if err == nil && len(data) > maxIndex {
		err = fmt.Errorf("%s: more than %d bytes", name, maxIndex)
	}
	return data, err
}
