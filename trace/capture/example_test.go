// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/layerscope/layerscope/internal/standin"
	"github.com/layerscope/layerscope/trace/capture"
)

// A window of a JAX process's profiler, as a file.
func ExampleDial() {
	server := &standin.JAX{Space: []byte("\x22\x04tpu0")} // a capture of nothing, from a host tpu0
	tb := &exampleTB{}
	defer tb.end()
	address := server.Start(tb)
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	s, err := capture.Dial(ctx, capture.Target{URL: address})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	w, err := s.Open(ctx, capture.Settings{Dir: dir, Duration: 20 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	res, err := w.Wait(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Kind, filepath.Base(res.Files[0].Path), res.Files[0].Bytes)
	// Output: jax tpu0.xplane.pb 6
}

// exampleTB is a test that examples don't have.
type exampleTB struct {
	testing.TB
	cleanup []func()
}

func (*exampleTB) Helper()            {}
func (e *exampleTB) Cleanup(f func()) { e.cleanup = append(e.cleanup, f) }
func (*exampleTB) Fatal(args ...any)  { panic(fmt.Sprint(args...)) }

func (e *exampleTB) end() {
	for _, f := range e.cleanup {
		f()
	}
}
