// SPDX-License-Identifier: Apache-2.0

//go:build unix && !nocloud

package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/layerscope/layerscope/internal/fakegcs"
	"github.com/layerscope/layerscope/reports/gcs"
	"github.com/layerscope/layerscope/reports/objects"
)

const (
	victimEnv = "LAYERSCOPE_VICTIM"
	rootEnv   = "LAYERSCOPE_VICTIM_ROOT" // a directory instead of the server
)

// victim is the process that is killed: "push DIR RUN PART" or "pull DIR RUN
// PART", with the server in STORAGE_EMULATOR_HOST.
func victim() {
	args := strings.Fields(os.Getenv(victimEnv))
	if len(args) != 4 {
		return
	}
	part, err := strconv.ParseInt(args[3], 10, 64)
	var s objects.Store
	if root := os.Getenv(rootEnv); root != "" {
		s = objects.Dir(root)
	} else if err == nil {
		s, err = gcs.Open(context.Background(), "gs://runs/team", gcs.Options{Pause: time.Millisecond})
	}
	opts := Options{PartSize: part, Streams: 3}
	switch {
	case err != nil:
	case args[0] == "push":
		_, err = Push(context.Background(), s, args[1], args[2], opts)
	default:
		_, err = Pull(context.Background(), s, args[2], args[1], opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if text, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(text)) {
			if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				fmt.Print(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")))
			}
		}
	}
	os.Exit(0)
}

func start(t *testing.T, p *fakegcs.Process, args ...any) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+strings.TrimSpace(fmt.Sprintln(args...)), "STORAGE_EMULATOR_HOST="+p.Host)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out
}

// killed runs the victim again and again, each time killed by SIGKILL at a random
// byte or request, until it gets through; it returns how often it was killed.
func killed(t *testing.T, p *fakegcs.Process, rnd *rand.Rand, bytes int64, args ...any) int {
	t.Helper()
	for kills := 0; ; kills++ {
		if rnd.IntN(4) == 0 {
			p.Hold(0, 1+rnd.IntN(60))
		} else {
			p.Hold(1+rnd.Int64N(bytes/8), 0)
		}
		cmd, _ := start(t, p, args...)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		var err error
		ended := false
		p.Holds(func() bool {
			select {
			case err = <-done:
				ended = true
			default:
			}
			return ended
		})
		if ended {
			p.Hold(0, 0)
			if err != nil {
				t.Fatal(err)
			}
			return kills
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-done
		p.Hold(0, 0)
	}
}

// size is that of a test's bundle: parts of 64 KiB, or the real ones.
func size() (part int64, sizes []int64) {
	part = 64 << 10
	if os.Getenv("LAYERSCOPE_HEAVY") != "" {
		part = 16 << 20
	}
	return part, []int64{33*part + 5, 3 * part, part, 1000}
}

// Push and pull are killed at 50 points each: what comes out in the end is what
// went in, nothing is left or there twice, and what was sent again is less than a
// part for each stream that was killed.
func TestKilled(t *testing.T) {
	p := fakegcs.Start(t, "runs")
	t.Setenv("STORAGE_EMULATOR_HOST", p.Host)
	s, err := gcs.Open(t.Context(), "gs://runs/team", gcs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	part, sizes := size()
	dir := makeBundle(t, 7, sizes...)
	files, total := contents(t, dir)
	rnd := rand.New(rand.NewPCG(8, 50))
	pushes, pulls, again := 0, 0, [2]int64{}
	for session := 0; pushes < 50 || pulls < 50; session++ {
		run := fmt.Sprintf("manual/2026-11-24-%d", session)
		p.Forget()
		kills := killed(t, p, rnd, total, "push", dir, run, part)
		stats := p.Stats()
		resent := sumOf(stats.Received) - total
		if most := int64(kills) * 3 * part; resent > most {
			t.Errorf("push: %d bytes sent again after %d kills, at most %d wanted", resent, kills, most)
		}
		pushes += kills
		again[0] += resent
		for name, n := range files {
			if got, ok := stats.Objects["runs/team/"+run+"/"+name]; !ok || got != n {
				t.Errorf("%s: %d bytes, %v, want %d", name, got, ok, n)
			}
			delete(stats.Objects, "runs/team/"+run+"/"+name)
		}
		for name := range stats.Objects {
			if !strings.HasPrefix(name, "runs/team/manual/") || strings.HasPrefix(name, "runs/team/"+run+"/") {
				t.Errorf("more than was pushed: %s", name)
			}
		}
		p.Forget()
		back := filepath.Join(t.TempDir(), "back")
		kills = killed(t, p, rnd, total, "pull", back, run, part)
		refetched := sumOf(p.Stats().Served) - total
		if most := int64(kills) * (3*part + 64<<10); refetched > most {
			t.Errorf("pull: %d bytes fetched again after %d kills, at most %d wanted", refetched, kills, most)
		}
		pulls += kills
		again[1] += refetched
		sameFiles(t, dir, back)
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(back), ".*")); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	if left := objectsBelow(t, s, partsPrefix); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	t.Logf("push killed %d times: %d bytes sent again, %.2f parts a kill; pull killed %d times: %d bytes, %.2f parts a kill; 3 streams, parts of %d",
		pushes, again[0], float64(again[0])/float64(part)/float64(pushes), pulls, again[1], float64(again[1])/float64(part)/float64(pulls), part)
}

func sumOf(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// contents are the files of a bundle and their sizes.
func contents(t *testing.T, dir string) (map[string]int64, int64) {
	t.Helper()
	all, total := make(map[string]int64), int64(0)
	for o, err := range objects.Dir(dir).List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all[o.Name] = o.Size
		total += o.Size
	}
	return all, total
}

// The same with a directory, killed at random moments.
func TestKilledDir(t *testing.T) {
	part, sizes := size()
	dir := makeBundle(t, 9, sizes...)
	rnd := rand.New(rand.NewPCG(8, 51))
	root := t.TempDir()
	t.Setenv(rootEnv, root)
	until := func(args ...any) (kills int) {
		for ; ; kills++ {
			if _, err := os.Stat(args[1].(string)); err == nil && args[0] == "pull" {
				_, err := Pull(t.Context(), objects.Dir(root), args[2].(string), args[1].(string), Options{})
				if !errors.Is(err, fs.ErrExist) {
					t.Errorf("killed when it had its name: %v", err)
				}
				return kills
			}
			cmd, _ := start(t, &fakegcs.Process{}, args...)
			wait := time.Duration(rnd.Int64N(int64(time.Duration(40+20*kills) * time.Millisecond)))
			timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() }) // may be done
			err := cmd.Wait()
			timer.Stop()
			if err == nil {
				return kills
			}
			if cmd.ProcessState.Exited() {
				t.Fatal(err)
			}
		}
	}
	pushes, pulls := 0, 0
	for session := range 4 {
		run := fmt.Sprintf("manual/2026-11-24-%d", session)
		pushes += until("push", dir, run, part)
		sameFiles(t, dir, filepath.Join(root, run))
		back := filepath.Join(t.TempDir(), "back")
		pulls += until("pull", back, run, part)
		sameFiles(t, dir, back)
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(back), ".*")); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	if left := objectsBelow(t, objects.Dir(root), partsPrefix); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	t.Logf("push killed %d times, pull %d times", pushes, pulls)
	if pushes == 0 || pulls == 0 {
		t.Error("nothing was killed")
	}
}

// The memory of a push and a pull doesn't grow with the bundle. Here it has 200
// parts of 256 KiB; with LAYERSCOPE_HEAVY it has 2 GiB, and both must stay below
// 100 MB.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("peak memory is read from /proc")
	}
	part, size := int64(256<<10), int64(50<<20)
	if os.Getenv("LAYERSCOPE_HEAVY") != "" {
		part, size = 16<<20, 2<<30
	}
	p := fakegcs.Start(t, "runs")
	dir := makeBundle(t, 3, size)
	back := filepath.Join(t.TempDir(), "back")
	for _, args := range [][]any{{"push", dir, "manual/big", part}, {"pull", back, "manual/big", part}} {
		begin := time.Now()
		cmd, out := start(t, p, args...)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		kb, err := strconv.Atoi(out.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s of %d MiB: peak memory %d MB, %v", args[0], size>>20, kb/1000, time.Since(begin).Round(time.Millisecond))
		if kb > 100_000 {
			t.Errorf("%s: %d kB, want less than 100 MB", args[0], kb)
		}
	}
}
