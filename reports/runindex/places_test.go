// SPDX-License-Identifier: Apache-2.0

package runindex

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A run that lies at several places is one run, whoever adds it in which order; a
// place is recorded once.
func TestFurtherPlaces(t *testing.T) {
	root := t.TempDir()
	ix := Index{Dir(root)}
	places := []string{"nightly/2026-11-24/79e14de", "baselines/a", "baselines/b"}
	if _, added, err := ix.Add(t.Context(), sample(1)); !added || err != nil {
		t.Fatal(added, err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			r := sample(1)
			r.Path = places[i%len(places)]
			if _, added, err := ix.Add(t.Context(), r); added || err != nil {
				t.Error(added, err)
			}
		})
	}
	all.Wait()
	for _, at := range []string{"", "/somewhere/else", sample(1).Path} { // not below the root, or known
		r := sample(1)
		r.Path = at
		if _, added, err := ix.Add(t.Context(), r); added || err != nil {
			t.Error(added, err)
		}
	}
	runs := mustRuns(t, ix, 0)
	if len(runs) != 1 || runs[0].Path != sample(1).Path {
		t.Fatalf("%+v", runs)
	}
	if d := cmp.Diff([]string{"baselines/a", "baselines/b", "nightly/2026-11-24/79e14de"}, runs[0].Also); d != "" {
		t.Error(d)
	}
	// Without the first record, those of the places still tell of the run.
	if err := os.Remove(filepath.Join(root, "index", runs[0].ID+".json")); err != nil {
		t.Fatal(err)
	}
	rest := mustRuns(t, ix, 0)
	if len(rest) != 1 || rest[0].ID != runs[0].ID || rest[0].Path != "baselines/a" || len(rest[0].Also) != 2 {
		t.Errorf("%+v", rest)
	}
	// A record under another place's name is damage.
	files, err := filepath.Glob(filepath.Join(root, "index", "places", "*"))
	if err != nil || len(files) != len(places) {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err := errors.Join(err, os.Remove(files[1]), os.WriteFile(files[1], text, 0o666)); err != nil {
		t.Fatal(err)
	}
	mustRuns(t, ix, 1)
}
