// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/layerscope/layerscope/reports/objects"
)

var errBroken = errors.New("broken")

// A brokenStore fails where large files are moved, and counts how often that is
// tried.
type brokenStore struct {
	objects.Store
	tried atomic.Int64
}

func (b *brokenStore) Put(ctx context.Context, name string, c objects.Content) (objects.Info, error) {
	if c.Part || strings.HasSuffix(name, ".pb") {
		b.tried.Add(1)
		return objects.Info{}, errBroken
	}
	return b.Store.Put(ctx, name, c)
}

func (b *brokenStore) Read(ctx context.Context, name string, generation, offset, length int64) (io.ReadCloser, error) {
	if strings.HasSuffix(name, ".pb") {
		b.tried.Add(1)
		return nil, errBroken
	}
	return b.Store.Read(ctx, name, generation, offset, length)
}

// The first failure ends a push or a pull: thousands of parts and files behind it
// are neither read nor sent.
func TestFirstFailureEnds(t *testing.T) {
	const part, most = 512, 10
	sizes := []int64{2000 * part}
	for range 100 {
		sizes = append(sizes, 10)
	}
	for name, sizes := range map[string][]int64{"parts": sizes[:1], "files": sizes[1:]} {
		t.Run(name, func(t *testing.T) {
			dir := makeBundle(t, 3, sizes...)
			good := objects.Dir(filepath.Join(t.TempDir(), "root"))
			push := &brokenStore{Store: good}
			if _, err := Push(t.Context(), push, dir, place, Options{PartSize: part}); !errors.Is(err, errBroken) || push.tried.Load() > most {
				t.Errorf("push: %v after %d tries", err, push.tried.Load())
			}
			mustPush(t, good, dir, Options{PartSize: part})
			pull := &brokenStore{Store: good}
			if _, err := Pull(t.Context(), pull, place, filepath.Join(t.TempDir(), "back"), Options{PartSize: part}); !errors.Is(err, errBroken) || pull.tried.Load() > most {
				t.Errorf("pull: %v after %d tries", err, pull.tried.Load())
			}
		})
	}
}

// A store that ends the context once it has been asked for a part.
type endingStore struct {
	objects.Store
	end context.CancelFunc
}

func (e *endingStore) Put(ctx context.Context, name string, c objects.Content) (objects.Info, error) {
	o, err := e.Store.Put(context.WithoutCancel(ctx), name, c)
	if c.Part {
		e.end()
	}
	return o, err
}

// An interrupt whose requests all succeed is an interrupt still: what has not all
// its parts is not composed.
func TestInterruptBetweenParts(t *testing.T) {
	const part = 512
	dir := makeBundle(t, 4, 50*part)
	good := objects.Dir(filepath.Join(t.TempDir(), "root"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := Push(ctx, &endingStore{good, cancel}, dir, place, Options{PartSize: part, Streams: 1}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want an interrupt", err)
	}
	r := mustPush(t, good, dir, Options{PartSize: part})
	if r.BytesMoved >= r.Bytes {
		t.Errorf("%d of %d bytes sent again", r.BytesMoved, r.Bytes)
	}
	back, _ := mustPull(t, good, Options{})
	sameFiles(t, dir, back)
}

// What is planted in the place where a run is fetched to leads nowhere: the pull
// fails, or doesn't care.
func TestHostileStage(t *testing.T) {
	bundle := makeBundle(t, 5, 3000)
	s := objects.Dir(filepath.Join(t.TempDir(), "root"))
	mustPush(t, s, bundle, Options{})
	sums, err := os.ReadFile(filepath.Join(bundle, checksumsFile))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(sums)
	head := hex.EncodeToString(sum[:]) + "\n"
	for name, plant := range map[string]func(stage, outside string) error{
		"the stage is a link": func(stage, outside string) error { return os.Symlink(outside, stage) },
		"the files are a link": func(stage, outside string) error {
			return errors.Join(os.Mkdir(stage, 0o777), os.WriteFile(filepath.Join(stage, journalFile), []byte(head), 0o666), os.Symlink(outside, filepath.Join(stage, filesDir)))
		},
		"the journal is a link": func(stage, outside string) error {
			return errors.Join(os.Mkdir(stage, 0o777), os.Symlink(filepath.Join(outside, filesDir, "precious"), filepath.Join(stage, journalFile)))
		},
		"a directory is a link": func(stage, outside string) error {
			return errors.Join(os.MkdirAll(filepath.Join(stage, filesDir), 0o777), os.WriteFile(filepath.Join(stage, journalFile), []byte(head), 0o666),
				os.Symlink(outside, filepath.Join(stage, filesDir, "artifacts")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			outside, dir := filepath.Join(base, "outside"), filepath.Join(base, "back")
			precious := filepath.Join(outside, filesDir, "precious")
			if err := errors.Join(os.MkdirAll(filepath.Dir(precious), 0o777), os.WriteFile(precious, []byte("keep me"), 0o666)); err != nil {
				t.Fatal(err)
			}
			if err := plant(pullingDir(dir), outside); err != nil {
				t.Skip("no links here:", err)
			}
			if _, err := Pull(t.Context(), s, place, dir, Options{}); err == nil {
				sameFiles(t, bundle, dir)
			}
			if text, err := os.ReadFile(precious); err != nil || string(text) != "keep me" {
				t.Errorf("outside: %q, %v", text, err)
			}
			if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
				t.Errorf("outside: %v, %v", entries, err)
			}
		})
	}
}
