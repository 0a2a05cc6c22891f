// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/objects"
)

const place = "nightly/2026-11-24/79e14de"

// makeBundle makes a bundle with captures of these sizes.
func makeBundle(tb testing.TB, seed uint64, sizes ...int64) string {
	tb.Helper()
	base := tb.TempDir()
	opts := bundle.Options{Time: time.Unix(1_795_000_000, 0), Commit: "79e14de2c1"}
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	for i, size := range sizes {
		name := filepath.Join(base, fmt.Sprintf("host%d.xplane.pb", i))
		f, err := os.Create(name)
		if err != nil {
			tb.Fatal(err)
		}
		_, err = io.CopyN(f, source, size)
		if err := errors.Join(err, f.Close()); err != nil {
			tb.Fatal(err)
		}
		opts.Captures = append(opts.Captures, name)
	}
	dir := filepath.Join(base, "run")
	if _, err := bundle.Create(dir, opts); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func mustPush(tb testing.TB, s objects.Store, dir string, opts Options) *Result {
	tb.Helper()
	r, err := Push(context.Background(), s, dir, place, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func mustPull(tb testing.TB, s objects.Store, opts Options) (string, *Result) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "back")
	r, err := Pull(context.Background(), s, place, dir, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return dir, r
}

// sameFiles compares two directories.
func sameFiles(tb testing.TB, want, got string) {
	tb.Helper()
	read := func(dir string) map[string]string {
		all := make(map[string]string)
		err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(filepath.Join(dir, p))
			all[p] = string(text)
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
		return all
	}
	a, b := read(want), read(got)
	for name, text := range a {
		if b[name] != text {
			tb.Errorf("%s: differs, or is missing", name)
		}
		delete(b, name)
	}
	for name := range b {
		tb.Errorf("%s: more than was there", name)
	}
}

func objectsBelow(tb testing.TB, s objects.Store, prefix string) []string {
	tb.Helper()
	var out []string
	for o, err := range s.List(context.Background(), prefix) {
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, o.Name)
	}
	return out
}

// What is pulled is what was pushed, whatever the sizes are next to that of a
// part; nothing is left but the run.
func TestRoundTrip(t *testing.T) {
	const part = 1 << 10
	for _, sizes := range [][]int64{{10}, {part - 1, part, part + 1}, {part * 32, part * 33}, {part*32*2 + 7, 0, 5}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			dir, s := makeBundle(t, 1, sizes...), objects.Dir(t.TempDir())
			opts := Options{PartSize: part}
			var total, moved atomic.Int64
			opts.Begin = func(_ int, bytes int64) { total.Store(bytes) }
			opts.Moved = func(n int64) { moved.Add(n) }
			opts.Found = opts.Moved
			r := mustPush(t, s, dir, opts)
			if r.Moved != r.Files || r.Present != 0 || r.BytesMoved != r.Bytes || total.Load() != r.Bytes || moved.Load() != r.Bytes || r.PartsLeft != 0 {
				t.Errorf("%+v, told %d of %d", r, moved.Load(), total.Load())
			}
			if left := objectsBelow(t, s, partsPrefix); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			moved.Store(0)
			if r := mustPush(t, s, dir, opts); r.Moved != 0 || r.Present != r.Files || r.BytesMoved != 0 || moved.Load() != r.Bytes {
				t.Errorf("again: %+v, told %d", r, moved.Load())
			}
			moved.Store(0)
			back, r := mustPull(t, s, opts)
			if r.Moved != r.Files || r.BytesMoved != r.Bytes || moved.Load() != r.Bytes {
				t.Errorf("pull: %+v, told %d", r, moved.Load())
			}
			sameFiles(t, dir, back)
			sameFiles(t, dir, filepath.Join(s.String(), place))
			if _, err := os.Lstat(pullingDir(back)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left: %v", err)
			}
		})
	}
}

// Another bundle at the same place is refused before anything of it is sent.
func TestConflict(t *testing.T) {
	one, two, s := makeBundle(t, 1, 5000, 10), makeBundle(t, 2, 5000, 10), objects.Dir(t.TempDir())
	mustPush(t, s, one, Options{PartSize: 1024})
	_, err := Push(t.Context(), s, two, place, Options{PartSize: 1024})
	var conflict *Conflict
	if !errors.As(err, &conflict) || conflict.Info.Name != place+"/checksums.txt" || !strings.Contains(err.Error(), "is there with other content") {
		t.Fatal(err)
	}
	sameFiles(t, one, filepath.Join(s.String(), place))
}

// Of two bundles that go to one place at once, one gets there whole.
func TestConflictRace(t *testing.T) {
	for round := range uint64(5) {
		dirs := []string{makeBundle(t, 2*round, 9000, 9000, 10), makeBundle(t, 2*round+1, 9000, 9000, 10)}
		s := objects.Dir(t.TempDir())
		errs := make([]error, len(dirs))
		var wg sync.WaitGroup
		for i, dir := range dirs {
			wg.Go(func() { _, errs[i] = Push(t.Context(), s, dir, place, Options{PartSize: 1024}) })
		}
		wg.Wait()
		var conflict *Conflict
		for i, dir := range dirs {
			switch {
			case errs[i] == nil && errs[1-i] == nil:
				t.Fatal("both")
			case errs[i] == nil:
				sameFiles(t, dir, filepath.Join(s.String(), place))
			case !errors.As(errs[i], &conflict):
				t.Fatal(errs[i])
			}
		}
		if errs[0] != nil && errs[1] != nil {
			t.Fatal("neither", errs)
		}
	}
}

// Several that push the same bundle at once help each other.
func TestSameAtOnce(t *testing.T) {
	dir, s := makeBundle(t, 1, 80_000, 50_000, 10), objects.Dir(t.TempDir())
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, err := Push(context.Background(), s, dir, place, Options{PartSize: 1024}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sameFiles(t, dir, filepath.Join(s.String(), place))
}

// Twenty pushers of different runs at once: all are there, whole.
func TestTwentyPushers(t *testing.T) {
	s := objects.Dir(t.TempDir())
	dirs := make([]string, 20)
	for i := range dirs {
		dirs[i] = makeBundle(t, uint64(i), 3000, 10)
	}
	var wg sync.WaitGroup
	for i, dir := range dirs {
		wg.Go(func() {
			if _, err := Push(context.Background(), s, dir, fmt.Sprintf("manual/2026-11-24-%d", i), Options{PartSize: 1024}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, dir := range dirs {
		sameFiles(t, dir, filepath.Join(s.String(), fmt.Sprintf("manual/2026-11-24-%d", i)))
	}
}

// A run goes up in pieces: each call is stopped after some bytes, and the next
// one goes on.
func TestGoesOn(t *testing.T) {
	const part = 1 << 10
	dir, s := makeBundle(t, 1, 40*part+5, 3*part, 10), objects.Dir(t.TempDir())
	calls := 0
	for ; ; calls++ {
		ctx, cancel := context.WithCancel(t.Context())
		var moved atomic.Int64
		_, err := Push(ctx, s, dir, place, Options{PartSize: part, Streams: 2, Moved: func(k int64) {
			if moved.Add(k) > 6*part {
				cancel()
			}
		}})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || calls > 30 {
			t.Fatal(err)
		}
	}
	if calls < 5 {
		t.Errorf("%d calls were stopped", calls)
	}
	sameFiles(t, dir, filepath.Join(s.String(), place))
	if left := objectsBelow(t, s, partsPrefix); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	// The same downwards.
	back := filepath.Join(t.TempDir(), "back")
	calls = 0
	for {
		ctx, cancel := context.WithCancel(t.Context())
		var moved atomic.Int64
		_, err := Pull(ctx, s, place, back, Options{PartSize: part, Streams: 2, Moved: func(k int64) {
			if moved.Add(k) > 6*part {
				cancel()
			}
		}})
		cancel()
		if err == nil {
			break
		}
		if calls++; !errors.Is(err, context.Canceled) || calls > 30 {
			t.Fatal(err)
		}
	}
	if calls < 5 {
		t.Errorf("%d calls were stopped", calls)
	}
	sameFiles(t, dir, back)
}

func TestDryRun(t *testing.T) {
	dir, s := makeBundle(t, 1, 5000, 10), objects.Dir(filepath.Join(t.TempDir(), "none"))
	r := mustPush(t, s, dir, Options{PartSize: 1024, DryRun: true})
	if r.Moved != r.Files || r.BytesMoved != r.Bytes {
		t.Errorf("%+v", r)
	}
	if got := objectsBelow(t, s, ""); len(got) > 0 {
		t.Errorf("%v", got)
	}
	mustPush(t, s, dir, Options{PartSize: 1024})
	back := filepath.Join(t.TempDir(), "back")
	r, err := Pull(t.Context(), s, place, back, Options{DryRun: true})
	if err != nil || r.Moved != r.Files {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := os.Lstat(back); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestChoice(t *testing.T) {
	dir, s := makeBundle(t, 1, 5000, 10), objects.Dir(t.TempDir())
	if _, err := Push(t.Context(), s, dir, "manual/run", Options{Exclude: []string{"*.xplane.pb"}}); !errors.Is(err, bundle.ErrSoleCapture) {
		t.Errorf("the only captures stay behind: %v", err)
	}
	r := mustPush(t, s, dir, Options{Exclude: []string{"*.xplane.pb"}, DropSole: true})
	want := []string{"artifacts/raw/traces/01/host0.xplane.pb", "artifacts/raw/traces/02/host1.xplane.pb"}
	if diff := cmp.Diff(want, r.Excluded); diff != "" || r.Captures != 2 {
		t.Error(diff, r.Captures)
	}
	if _, err := Pull(t.Context(), s, place, filepath.Join(t.TempDir(), "a"), Options{}); err == nil || !strings.Contains(err.Error(), "it was not pushed") {
		t.Error(err)
	}
	back, r := mustPull(t, s, Options{Exclude: []string{"artifacts/raw"}})
	if diff := cmp.Diff(want, r.Excluded); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(back, "report.md")); err != nil {
		t.Error(err)
	}
	// What was left out may follow.
	if r := mustPush(t, s, dir, Options{}); r.Moved != 2 || len(r.Excluded) != 0 {
		t.Errorf("%+v", r)
	}
	if back, r := mustPull(t, s, Options{Only: []string{"analysis", "report.md"}}); len(r.Excluded) == 0 || r.Files != 3 {
		t.Errorf("%s: %+v", back, r)
	}
	for _, o := range []Options{{Only: []string{"["}}, {Exclude: []string{"[a"}}} {
		if _, err := Push(t.Context(), s, dir, place, o); err == nil || !strings.Contains(err.Error(), "pattern") {
			t.Error(err)
		}
	}
}

func TestPushRefuses(t *testing.T) {
	s := objects.Dir(t.TempDir())
	dir := makeBundle(t, 1, 100)
	name := filepath.Join(dir, "report.md")
	if err := errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, []byte("edited"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := Push(t.Context(), s, dir, place, Options{}); err == nil || !strings.Contains(err.Error(), "does not verify: changed: report.md") {
		t.Error(err)
	}
	if _, err := Push(t.Context(), s, t.TempDir(), place, Options{}); err == nil || !strings.Contains(err.Error(), "no bundle") {
		t.Error(err)
	}
	if got := objectsBelow(t, s, ""); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// Runs that no push made: refused, with the entry named, and nothing is left or
// written elsewhere.
func TestPullRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *bundle.Manifest, root string) error
		want   string
	}{
		"dots":     {func(m *bundle.Manifest, _ string) error { m.Files[0].Path = "../../outside"; return nil }, "leads out of the bundle"},
		"absolute": {func(m *bundle.Manifest, _ string) error { m.Files[0].Path = "/tmp/outside"; return nil }, "an absolute path"},
		"case":     {func(m *bundle.Manifest, _ string) error { m.Files[0].Path = "REPORT.md"; return nil }, "nothing but case"},
		"size":     {func(m *bundle.Manifest, _ string) error { m.Files[0].Bytes = 1 << 50; return nil }, "bytes, manifest.json says 1125899906842624"},
		"hash": {func(m *bundle.Manifest, _ string) error {
			m.Files[len(m.Files)-1].SHA256 = strings.Repeat("0", 64)
			return nil
		}, "not as its manifest says"},
		"many": {func(m *bundle.Manifest, _ string) error {
			for i := range 100_001 {
				m.Files = append(m.Files, bundle.File{Path: fmt.Sprint(i), SHA256: strings.Repeat("0", 64)})
			}
			return nil
		}, "lists 10"},
		"schema":  {func(m *bundle.Manifest, _ string) error { m.Schema = "other"; return nil }, `schema "other"`},
		"damaged": {func(_ *bundle.Manifest, root string) error { return flip(filepath.Join(root, place, "report.md")) }, "report.md: not as"},
		"gone":    {func(_ *bundle.Manifest, root string) error { return os.Remove(filepath.Join(root, place, "report.md")) }, "report.md isn't there"},
		"undone": {func(_ *bundle.Manifest, root string) error {
			return os.Remove(filepath.Join(root, place, manifestFile))
		},
			"its push isn't done"},
		"nothing": {func(_ *bundle.Manifest, root string) error { return os.RemoveAll(filepath.Join(root, "nightly")) }, "not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := objects.Dir(root)
			mustPush(t, s, makeBundle(t, 1, 100), Options{})
			file := filepath.Join(root, place, manifestFile)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var m bundle.Manifest
			if err := json.Unmarshal(text, &m); err != nil {
				t.Fatal(err)
			}
			if text, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
			before := string(text)
			if err := c.change(&m, root); err != nil {
				t.Fatal(err)
			}
			if text, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
			if string(text) != before {
				if err := os.WriteFile(file, text, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			to := filepath.Join(t.TempDir(), "deep", "back")
			if err := os.Mkdir(filepath.Dir(to), 0o777); err != nil {
				t.Fatal(err)
			}
			if _, err := Pull(t.Context(), s, place, to, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			for _, dir := range []string{filepath.Dir(to), filepath.Dir(filepath.Dir(to))} {
				entries, err := os.ReadDir(dir)
				if err != nil || len(entries) > 1 || len(entries) == 1 && entries[0].Name() != "deep" {
					t.Errorf("left: %v %v", entries, err)
				}
			}
		})
	}
}

// flip changes one bit of a file.
func flip(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text[len(text)/2] ^= 1
	return os.WriteFile(name, text, 0o666)
}

// What a crash, or somebody else, did to the files of a pull is noticed.
func TestPullJournal(t *testing.T) {
	const part = 1 << 10
	s := objects.Dir(t.TempDir())
	dir := makeBundle(t, 1, 20*part)
	mustPush(t, s, dir, Options{})
	for name, harm := range map[string]func(pulling string) error{
		"bit": func(p string) error { return flip(filepath.Join(p, "files/artifacts/raw/traces/host0.xplane.pb")) },
		"zeros": func(p string) error {
			return os.Truncate(filepath.Join(p, "files/artifacts/raw/traces/host0.xplane.pb"), 0)
		},
		"removed": func(p string) error { return os.RemoveAll(filepath.Join(p, "files")) },
		"torn": func(p string) error {
			text, err := os.ReadFile(filepath.Join(p, journalFile))
			return errors.Join(err, os.WriteFile(filepath.Join(p, journalFile), text[:len(text)-9], 0o666))
		},
		"other": func(p string) error {
			return os.WriteFile(filepath.Join(p, journalFile), []byte("of another run\n"), 0o666)
		},
		"empty": func(p string) error { return os.WriteFile(filepath.Join(p, journalFile), nil, 0o666) },
		"nonsense": func(p string) error {
			return os.WriteFile(filepath.Join(p, journalFile), []byte{0, 1, '\n', '{'}, 0o666)
		},
	} {
		t.Run(name, func(t *testing.T) {
			back := filepath.Join(t.TempDir(), "back")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var moved atomic.Int64
			_, err := Pull(ctx, s, place, back, Options{PartSize: part, Streams: 1, Moved: func(n int64) {
				if moved.Add(n) > 18*part {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if err := harm(pullingDir(back)); err != nil {
				t.Fatal(err)
			}
			if _, err := Pull(t.Context(), s, place, back, Options{PartSize: part}); err != nil {
				t.Fatal(err)
			}
			sameFiles(t, dir, back)
		})
	}
}
