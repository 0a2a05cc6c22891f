// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/hlo"
)

// A message is a protocol buffer in the making.
type message []byte

func (m message) num(n protowire.Number, v uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), v)
}

func (m message) sub(n protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, n, protowire.BytesType), b)
}

// devicePlane is an XPlane with a line of ops and one of executions; the programs
// of op i are those of programs(i).
func devicePlane(name string, ops int, programs func(i int) []uint64) message {
	m := message(nil).sub(2, []byte(name))
	for _, line := range []string{"XLA Ops", "XLA Modules"} {
		ln := message(nil).sub(2, []byte(line)).num(3, 1)
		for i := range min(ops, 20) {
			ln = ln.sub(4, message(nil).num(1, uint64(i+1)).num(2, uint64(i)*100).num(3, 50))
		}
		m = m.sub(3, ln)
	}
	for i := range ops {
		op := message(nil).num(1, uint64(i+1)).sub(2, fmt.Appendf(nil, "jit_f(%d)", i%7))
		for _, p := range programs(i) {
			op = op.sub(5, message(nil).num(1, 1).num(4, p)).sub(5, message(nil).num(1, 2).sub(5, []byte("custom-call")))
		}
		m = m.sub(4, message(nil).num(1, uint64(i+1)).sub(2, op))
	}
	for i, stat := range []string{"program_id", "hlo_category"} {
		m = m.sub(5, message(nil).num(1, uint64(i+1)).sub(2, message(nil).num(1, uint64(i+1)).sub(2, []byte(stat))))
	}
	return m
}

// checkAhead wants of a capture opened on several cores what it is on one.
func checkAhead(t interface {
	Helper()
	Fatalf(string, ...any)
}, open func() (*trace.Trace, error)) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want, wantErr := open()
	runtime.GOMAXPROCS(4)
	have, err := open()
	if fmt.Sprint(wantErr) != fmt.Sprint(err) {
		t.Fatalf("error %v, on one core %v", err, wantErr)
	}
	if err != nil {
		return
	}
	defer want.Close()
	defer have.Close()
	if diff := cmp.Diff(want, have, cmpopts.IgnoreUnexported(trace.Trace{}, trace.Program{}, trace.Track{}), cmpopts.IgnoreTypes(&hlo.Module{}, &hlo.Instruction{})); diff != "" {
		t.Fatalf("(-one core +several):\n%s", diff)
	}
}

func TestPlanesReadAheadAreThoseReadInTurn(t *testing.T) {
	for _, pattern := range []string{"data/xspace/*.pb*", "data/malformed/*.pb*"} {
		paths, _ := filepath.Glob(filepath.Join(tracetest.Shared(t, "data"), "..", pattern))
		for _, path := range paths {
			checkAhead(t, func() (*trace.Trace, error) { return trace.Open(path, trace.Options{}) })
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var space message
		for range rapid.IntRange(0, 6).Draw(t, "planes") {
			name := rapid.SampledFrom([]string{"/device:TPU:0", "/device:TPU:1", "/device:TPU:2", "/device:GPU:0", "/device:CUSTOM:x", "/host:CPU"}).Draw(t, "name")
			ids := rapid.SliceOfN(rapid.SliceOfN(rapid.Uint64Range(0, 9), 0, 3), 1, 12).Draw(t, "programs")
			pl := devicePlane(name, len(ids), func(i int) []uint64 { return ids[i] })
			if cut := rapid.IntRange(0, 3*len(pl)).Draw(t, "damage"); cut < len(pl) {
				pl[cut] ^= 0x55
			}
			space = space.sub(1, pl)
		}
		checkAhead(t, func() (*trace.Trace, error) {
			return trace.Read(bytes.NewReader(space), "x.xplane.pb", trace.Options{})
		})
	})
}

// TestPlanesReadAheadAreBounded: more ops than a trace may have.
func TestPlanesReadAheadAreBounded(t *testing.T) {
	var space message
	for i := range 4 {
		space = space.sub(1, devicePlane(fmt.Sprintf("/device:TPU:%d", i), 30_000, func(op int) []uint64 {
			return []uint64{uint64(op%50 + 30*i), uint64(op % 3)}
		}))
	}
	checkAhead(t, func() (*trace.Trace, error) {
		return trace.Read(bytes.NewReader(space), "x.xplane.pb", trace.Options{})
	})
}
