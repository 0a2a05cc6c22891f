// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
)

// maxName bounds a path, in bytes.
const maxName = 1024

// names are the paths of one bundle. They must be such that every file system
// keeps them apart and none leads out of the bundle.
type names struct {
	seen map[string]string // in small letters → as written
	file map[string]bool   // of those in small letters: a file, not a directory
}

func newNames() *names {
	return &names{seen: make(map[string]string), file: make(map[string]bool)}
}

// add checks a file's path against the rules and the paths before it.
func (n *names) add(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	folded := strings.ToLower(name)
	if other, ok := n.seen[folded]; ok {
		if other == name {
			return errors.New("is there twice")
		}
		return fmt.Errorf("differs from %q in nothing but case", other)
	}
	for at := path.Dir(name); at != "."; at = path.Dir(at) {
		f := strings.ToLower(at)
		other, ok := n.seen[f]
		switch {
		case ok && n.file[f]:
			return fmt.Errorf("%q is a file", other)
		case ok && other != at:
			return fmt.Errorf("differs from %q in nothing but case", other)
		}
		n.seen[f] = at
	}
	n.seen[folded], n.file[folded] = name, true
	return nil
}

// checkName refuses paths that mean something else to some system.
func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("a path of %d bytes, wanted at most %d", len(name), maxName)
	case strings.HasPrefix(name, "/"):
		return errors.New("an absolute path")
	case !fs.ValidPath(name) || name == ".":
		return errors.New("leads out of the bundle, or is not a plain path")
	case strings.ContainsAny(name, "\\:") || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("has a backslash, a colon or a control character")
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") {
			return errors.New("a part of it ends in a dot or space")
		}
	}
	return nil
}
