// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// TestContentNotName: what a file is called says nothing about what is in it, and
// several gzip members are one file.
func TestContentNotName(t *testing.T) {
	doc := []byte(`{"traceEvents":[{"ph":"X","pid":1,"tid":2,"ts":1,"dur":2,"name":"a"}]}`)
	members := slices.Concat(gzipped(t, doc[:20]), gzipped(t, doc[20:]))
	for name, b := range map[string][]byte{
		"plain.json.gz": doc, "packed.json": gzipped(t, doc), "odd.xplane.pb": doc, "odd.pftrace": gzipped(t, doc), "members.json.gz": members,
		"none": doc, "empty member.json.gz": slices.Concat(gzipped(t, nil), gzipped(t, doc)),
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		tr := openCapture(t, path)
		if got := outline(t, tr); !strings.HasSuffix(got, `"thread 2": a 1+2`) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestEventCap: a file of exactly as many events as an exporter keeps says that the
// rest is missing; one of one event less doesn't.
func TestEventCap(t *testing.T) {
	for n, want := range map[int]bool{1_000_000: true, 999_999: false} {
		var b bytes.Buffer
		b.WriteString(`{"traceEvents":[`)
		b.Write(bytes.Repeat([]byte(`{"ph":"X","ts":1,"dur":1,"name":"a"},`), n))
		b.WriteString(`{}]}`)
		tr := again(t, b.Bytes(), "cap.json")
		if got := slices.Contains(codesOf(tr), "event-cap 1"); got != want {
			t.Errorf("%d events: findings %v", n, codesOf(tr))
		}
	}
}

// TestCaseList holds the list of tricky cases to tests that are there.
func TestCaseList(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(tracetest.Root(t), "docs", "formats", "cases.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{} // of a package's tests
	rows := 0
	for line := range strings.Lines(string(list)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), fmt.Sprint(rows+1)) {
			continue
		}
		rows++
		for _, word := range strings.Fields(strings.NewReplacer("`", " ", ",", " ", ";", " ").Replace(cells[3])) {
			pkg, test, ok := strings.Cut(word, ".")
			if !ok {
				t.Errorf("case %d: %q is no package and test", rows, word)
				continue
			}
			if sources[pkg] == "" {
				files, _ := filepath.Glob(filepath.Join(tracetest.Root(t), filepath.FromSlash(casePackages[pkg]), "*_test.go"))
				for _, f := range files {
					b, err := os.ReadFile(f)
					if err != nil {
						t.Fatal(err)
					}
					sources[pkg] += string(b)
				}
			}
			if !strings.Contains(sources[pkg], "func "+test+"(t *testing.T)") {
				t.Errorf("case %d: no test %s", rows, word)
			}
		}
	}
	if rows != 43 {
		t.Errorf("%d cases, want 43", rows)
	}
}

// casePackages are the directories of the packages in the list of cases.
var casePackages = map[string]string{
	"trace": "trace", "chromejson": "trace/internal/chromejson", "perfetto": "trace/internal/perfetto", "inflate": "trace/internal/inflate", "memprof": "trace/memprof",
}
