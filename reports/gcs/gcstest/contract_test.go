// SPDX-License-Identifier: Apache-2.0

package gcstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/gcs"
	"github.com/layerscope/layerscope/reports/internal/storetest"
	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/reports/remote"
)

func open(t *testing.T) objects.Store {
	t.Helper()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1", PublicHost: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "runs"})
	host := strings.TrimPrefix(server.URL(), "http://")
	t.Setenv("STORAGE_EMULATOR_HOST", host)
	s, err := gcs.Open(t.Context(), "gs://runs/team/a", gcs.Options{Pause: time.Millisecond, Tries: 3})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fake-gcs-server doesn't know conditions of compose and delete.
func TestContract(t *testing.T) {
	storetest.Run(t, open(t), storetest.Gaps{Compose: true, Delete: true})
}

// A bundle with a file of many parts goes there and comes back; another one at
// its place is refused.
func TestPushPull(t *testing.T) {
	s, base := open(t), t.TempDir()
	var dirs []string
	for _, name := range []string{"one", "two"} {
		capture := filepath.Join(base, name+".xplane.pb")
		data := make([]byte, 70<<10)
		_, _ = rand.Read(data) // never fails
		if err := os.WriteFile(capture, data, 0o666); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(base, name)
		if _, err := bundle.Create(dir, bundle.Options{Captures: []string{capture}}); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	opts := remote.Options{PartSize: 1 << 10}
	for range 2 {
		if _, err := remote.Push(t.Context(), s, dirs[0], "manual/run", opts); err != nil {
			t.Fatal(err)
		}
	}
	var conflict *remote.Conflict
	if _, err := remote.Push(t.Context(), s, dirs[1], "manual/run", opts); !errors.As(err, &conflict) {
		t.Errorf("%v, want a conflict", err)
	}
	back := filepath.Join(base, "back")
	if _, err := remote.Pull(context.Background(), s, "manual/run", back, opts); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"checksums.txt", "artifacts/raw/traces/one.xplane.pb"} {
		want, err1 := os.ReadFile(filepath.Join(dirs[0], name))
		got, err2 := os.ReadFile(filepath.Join(back, name))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s differs: %v", name, err)
		}
	}
	if _, err := s.Stat(t.Context(), "manual/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if left := storetest.Names(t, s, "parts/"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
