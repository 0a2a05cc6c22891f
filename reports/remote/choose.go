// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"fmt"
	"path"
	"slices"

	"github.com/layerscope/layerscope/reports/bundle"
)

// A chooser takes the files that any of only matches, or all, but none that any
// of exclude matches.
type chooser struct{ only, exclude []string }

func (c chooser) check() error {
	for _, p := range slices.Concat(c.only, c.exclude) {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", p, err)
		}
	}
	return nil
}

func (c chooser) takes(name string) bool {
	return (len(c.only) == 0 || matches(c.only, name)) && !matches(c.exclude, name)
}

// soleCaptures are the raw captures of a bundle that nothing of their like would
// be chosen of.
func soleCaptures(m *bundle.Manifest, choose chooser) []string {
	var paths []string
	for _, f := range m.Files {
		paths = append(paths, f.Path)
	}
	return bundle.SoleCaptures(paths, choose.takes)
}

// matches holds patterns against a path, its last part, and the directories it
// is in.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, path.Base(name)); ok {
			return true
		}
		for at := name; at != "." && at != "/"; at = path.Dir(at) {
			if ok, _ := path.Match(p, at); ok {
				return true
			}
		}
	}
	return false
}
