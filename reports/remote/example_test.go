// SPDX-License-Identifier: Apache-2.0

package remote_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/reports/remote"
)

// A bundle is pushed once; again, nothing is sent. Pull brings it back.
func ExamplePush() {
	base, err := os.MkdirTemp("", "push")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(base)
	capture, run := filepath.Join(base, "host.xplane.pb"), filepath.Join(base, "run")
	if err := os.WriteFile(capture, []byte("a capture"), 0o666); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := bundle.Create(run, bundle.Options{Captures: []string{capture}, Time: time.Unix(1_795_000_000, 0)}); err != nil {
		fmt.Println(err)
		return
	}
	ctx, shared := context.Background(), objects.Dir(filepath.Join(base, "shared"))
	for range 2 {
		r, err := remote.Push(ctx, shared, run, "manual/2026-11-18-first", remote.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(r.Moved == r.Files, r.Present == r.Files, r.BytesMoved == r.Bytes)
	}
	_, err = remote.Pull(ctx, shared, "manual/2026-11-18-first", filepath.Join(base, "back"), remote.Options{})
	fmt.Println(err)
	r, err := bundle.Verify(filepath.Join(base, "back"))
	fmt.Println(r.OK(), err)
	// Output:
	// true false true
	// false true false
	// <nil>
	// true <nil>
}
