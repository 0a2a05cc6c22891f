// SPDX-License-Identifier: Apache-2.0

//go:build !nocloud

package gcs

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/layerscope/layerscope/internal/fakegcs"
	"github.com/layerscope/layerscope/reports/internal/storetest"
	"github.com/layerscope/layerscope/reports/objects"
)

func TestMain(m *testing.M) {
	fakegcs.Main()
	goleak.VerifyTestMain(m)
}

// open starts a server and opens a prefix of a bucket of it.
func open(t *testing.T, opts Options) (objects.Store, *fakegcs.Process) {
	t.Helper()
	p := fakegcs.Start(t, "runs")
	t.Setenv("STORAGE_EMULATOR_HOST", p.Host)
	if opts.Pause == 0 {
		opts.Pause = time.Millisecond
	}
	s, err := Open(t.Context(), "gs://runs/team/a", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.(*bucket).client.Close() })
	return s, p
}

func TestContract(t *testing.T) {
	s, _ := open(t, Options{})
	storetest.Run(t, s, storetest.Gaps{})
}
