// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The bundle's sections stand where the report has a place for them, else last;
// a line within other text is no place.
func TestReportPlace(t *testing.T) {
	for _, c := range []struct{ in, before, after string }{
		{"# Run\n\n" + ArtifactsHere + "\n\n## After\n", "# Run\n\n## Artifacts", "\n\n## After\n"},
		{"# Run\n\nsee " + ArtifactsHere + "\n", "# Run\n\nsee " + ArtifactsHere + "\n\n## Artifacts", ""},
		{"# Run", "# Run\n\n## Artifacts", ""},
		{"", "## Artifacts", ""},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		if _, err := Create(dir, Options{Report: []byte(c.in)}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, reportFile))
		if err != nil || !strings.HasPrefix(string(text), c.before) || !strings.HasSuffix(string(text), c.after) || strings.Count(string(text), "## Backup\n") != 1 {
			t.Errorf("%q: %v\n%s", c.in, err, text)
		}
	}
}

// Names of files and values of the environment are text in report.md and
// environment.md.
func TestReportNamesAreText(t *testing.T) {
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	name := "a`|<img src=x onerror=y>[b](c) @me.xplane.pb"
	_, err := Create(run, Options{
		Captures: []string{put(t, dir, name, "x")}, Environ: []string{"XLA_FLAGS=`<b>` | </details>\n# heading"},
		Hardware: map[string]string{"device": "<script>", "zone": "`z`"}, Versions: map[string]string{"<i>jax": "1|2"}, Backup: "gs://b/`<u>`",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{reportFile, "inputs/environment.md"} {
		text, err := os.ReadFile(filepath.Join(run, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			rest := line
			for _, fence := range []string{"```", "``", "`"} { // code, the longest fences first
				for {
					_, a, ok1 := strings.Cut(rest, fence)
					_, b, ok2 := strings.Cut(a, fence)
					if !ok1 || !ok2 {
						break
					}
					rest = strings.Replace(rest, fence+strings.TrimSuffix(a, fence+b)+fence, "", 1)
				}
			}
			if strings.ContainsRune(rest, '<') || strings.Contains(line, "\x60<b>\x60\n# heading") {
				t.Errorf("%s: %q", file, line)
			}
		}
		if strings.Contains(string(text), "\n# heading") {
			t.Errorf("%s: a value made a heading", file)
		}
	}
	if r := verified(t, run); !r.OK() {
		t.Errorf("%+v", r)
	}
}
