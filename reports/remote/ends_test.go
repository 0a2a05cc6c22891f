// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"io"
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
