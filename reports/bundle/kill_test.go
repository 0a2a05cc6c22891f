// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bundle

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// killed names the directory of captures for a child process that makes a bundle
// of them, to be killed on the way.
const killed = "LAYERSCOPE_TEST_BUNDLE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killed); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

func child(dir string) int {
	b, err := create(filepath.Join(dir, "run"), killedOptions(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(b.copies)
	return 0
}

const killedFiles = 24

func killedOptions(dir string) Options {
	o := Options{Time: time.Unix(1764000000, 0), Commands: []string{"x"}, Report: []byte("# Run\n"), Analysis: map[string][]byte{"report.json": []byte("{}\n")}}
	for i := range killedFiles {
		o.Captures = append(o.Captures, filepath.Join(dir, fmt.Sprintf("c%02d.xplane.pb", i)))
	}
	return o
}

// TestKilled ends a bundle in the making at 50 random points, kill -9. Its name
// is never there half-made; the next attempt makes it, and copies no file that
// was whole again.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("50 kills not tried: -short")
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 8))
	for _, name := range killedOptions(dir).Captures {
		data := make([]byte, 1+r.IntN(600_000))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	clean := func() {
		if err := os.RemoveAll(filepath.Join(dir, "run")); err != nil {
			t.Fatal(err)
		}
	}
	started := time.Now()
	if n := finished(t, dir); n != killedFiles {
		t.Fatalf("an attempt of its own copies %d files, want %d", n, killedFiles)
	}
	whole := time.Since(started)
	clean()
	inside, reused := 0, 0
	for range 50 {
		cut := killAfter(t, dir, time.Duration(r.Int64N(int64(whole))))
		target := filepath.Join(dir, "run")
		if exists(target) {
			if res := verified(t, target); !res.OK() || res.Listed != killedFiles+7 {
				t.Fatalf("after a kill the bundle is there and is %+v", res)
			}
			clean()
			continue
		}
		had := journaled(t, filepath.Join(dir, ".run.partial.journal"))
		if n := finished(t, dir); n > killedFiles-had {
			t.Errorf("%d files were whole after the kill, and yet %d of %d were copied", had, n, killedFiles)
		}
		if res := verified(t, target); !res.OK() || res.Listed != killedFiles+7 {
			t.Fatalf("after the second attempt: %+v", res)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
			t.Fatalf("left behind: %v", left)
		}
		if cut {
			inside++
		}
		reused += had
		clean()
	}
	t.Logf("50 kills, %d while the bundle was made; %d files were not copied again", inside, reused)
	if inside < 10 || reused == 0 {
		t.Errorf("%d kills met the bundle in the making and %d files were reused: the test tests little", inside, reused)
	}
}

func command(dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killed+"="+dir)
	return cmd
}

// finished makes the bundle and returns how many files were copied.
func finished(t *testing.T, dir string) (copies int) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := command(dir)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if _, err := fmt.Sscan(string(out), &copies); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return copies
}

func killAfter(t *testing.T, dir string, d time.Duration) bool {
	t.Helper()
	cmd := command(dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(d)
	_ = cmd.Process.Signal(syscall.SIGKILL) // it may be done
	err := cmd.Wait()
	return err != nil && exists(filepath.Join(dir, ".run.partial"))
}

// journaled counts the files that a journal calls whole.
func journaled(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		return 0 // killed before it began
	}
	names := make(map[string]bool)
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		var c copied
		if json.Unmarshal(lines.Bytes(), &c) == nil {
			names[c.Name] = true
		}
	}
	return len(names)
}

// TestResume: what is used again is what it was, and of the same arguments.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string, o *Options) error
		copies int
	}{
		{"nothing changed", func(string, *Options) error { return nil }, 0},
		{"staged file damaged", func(dir string, _ *Options) error {
			return rewrite(filepath.Join(dir, ".run.partial/artifacts/raw/traces/01/a.xplane.pb"), "jello")
		}, 1},
		{"staged file gone", func(dir string, _ *Options) error {
			return os.Remove(filepath.Join(dir, ".run.partial/artifacts/raw/traces/01/a.xplane.pb"))
		}, 1},
		{"source newer", func(dir string, _ *Options) error {
			return os.WriteFile(filepath.Join(dir, "a.xplane.pb"), []byte("hallo"), 0o666)
		}, 1},
		{"another way", func(_ string, o *Options) error { o.Secrets = RedactCaptures; return nil }, 2},
		{"one capture less", func(_ string, o *Options) error { o.Captures = o.Captures[:1]; return nil }, 1},
		{"journal gone", func(dir string, _ *Options) error { return os.Remove(filepath.Join(dir, ".run.partial.journal")) }, 2},
		{"journal cut", func(dir string, _ *Options) error {
			name := filepath.Join(dir, ".run.partial.journal")
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(name, text[:len(text)-20], 0o666)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			o := Options{Captures: []string{put(t, dir, "a.xplane.pb", "hello"), put(t, dir, "b.xplane.pb", "world")}}
			s, err := newStage(filepath.Join(dir, "run"), true)
			if err != nil {
				t.Fatal(err)
			}
			b := &builder{opts: &o, stage: s, taken: make(map[string]bool), masks: masks{make(map[string]int)}}
			if err := b.addCaptures(); err != nil {
				t.Fatal(err)
			}
			if err := s.close(); err != nil { // a crash
				t.Fatal(err)
			}
			if err := c.change(dir, &o); err != nil {
				t.Fatal(err)
			}
			b, err = create(filepath.Join(dir, "run"), o)
			if err != nil {
				t.Fatal(err)
			}
			if b.copies != c.copies {
				t.Errorf("%d copies, want %d", b.copies, c.copies)
			}
			if r := verified(t, filepath.Join(dir, "run")); !r.OK() || len(r.Extra) > 0 {
				t.Errorf("%+v", r)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
