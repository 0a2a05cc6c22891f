// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// openDir reads the captures of a directory: the newest profile session in it,
// all hosts of it. XSpace files come before JSON, which holds less.
func (t *Trace) openDir(dir string, opts Options) error {
	sessions := make(map[string][]string) // directory → captures
	tables := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if depth := strings.Count(strings.TrimPrefix(path, dir), string(filepath.Separator)); depth > 8 {
				return filepath.SkipDir
			}
			return nil
		}
		if isCapture(d.Name()) {
			sessions[filepath.Dir(path)] = append(sessions[filepath.Dir(path)], path)
		}
		tables = tables || isTable(d.Name())
		return nil
	})
	if err != nil {
		return at(dir, err)
	}
	if len(sessions) == 0 && tables {
		return t.openTables(dir, opts)
	}
	if len(sessions) == 0 {
		return &InputError{Path: dir, Msg: "no captures in the directory, wanted *.xplane.pb, *.trace.json.gz or *.trace.txt", Hint: "pass the directory given to start_trace, or its plugins/profile/<session>"}
	}
	files, others := newestSession(sessions)
	if others > 0 {
		t.find(severalSessions(filepath.Base(filepath.Dir(files[0])), others))
	}
	return t.openSession(files, func(f string) error { return t.openFile(f, opts) })
}

func severalSessions(newest string, others int) Finding {
	return Finding{Code: "several-sessions", Severity: Info, Count: int64(others + 1),
		Message: fmt.Sprintf("%d sessions in the directory; the newest, %s, was read", others+1, newest), Hint: "name a session's directory to read another"}
}

// newestSession returns the captures of the newest session, a file a host, and how
// many other sessions there are: directories are named by time. XSpace comes
// before JSON, which holds less of the same.
func newestSession(sessions map[string][]string) (files []string, others int) {
	newest := slices.Max(slices.Collect(maps.Keys(sessions)))
	files = sessions[newest]
	if slices.ContainsFunc(files, isXPlane) {
		files = slices.DeleteFunc(files, func(f string) bool { return !isXPlane(f) })
	} else if slices.ContainsFunc(files, isTraceJSON) {
		files = slices.DeleteFunc(files, func(f string) bool { return !isTraceJSON(f) })
	}
	slices.Sort(files)
	return files, len(sessions) - 1
}

func uncompressed(name string) string {
	for _, ext := range []string{".gz", ".zst", ".xz"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

func isXPlane(name string) bool    { return strings.HasSuffix(uncompressed(name), ".xplane.pb") }
func isTraceJSON(name string) bool { return strings.HasSuffix(uncompressed(name), ".trace.json") }

func isTraceText(name string) bool { return strings.HasSuffix(uncompressed(name), ".trace.txt") }

func isCapture(name string) bool {
	return isXPlane(name) || isTraceJSON(name) || isTraceText(name) || uncompressed(name) == "perfetto_trace.json"
}
