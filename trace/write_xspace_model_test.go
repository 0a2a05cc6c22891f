// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// canonical is the text form with each event's op written out, and without what
// an XSpace has no place for: numbers of ops, findings, allocator events.
func canonical(t *testing.T, tr *trace.Trace) []string {
	t.Helper()
	ops := map[string]string{}
	var out []string
	for line := range strings.Lines(text(t, tr)) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "op":
			label, facts, _ := strings.Cut(rest, " ")
			ops[label] = facts
		case "finding", "alloc", "free":
		case "":
			f := strings.SplitN(strings.TrimSpace(rest), " ", 4)
			f[2] = ops[f[2]]
			out = append(out, strings.Join(f, " | "))
		default:
			out = append(out, line)
		}
	}
	return out
}

func xspaceOf(t *testing.T, tr *trace.Trace) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trace.WriteXSpace(&b, tr, trace.XSpaceOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestXSpaceRoundTrip: a capture written as XSpace is the same capture.
func TestXSpaceRoundTrip(t *testing.T) {
	captures(t, func(t *testing.T, path string, tr *trace.Trace) {
		if strings.HasSuffix(path, ".json.gz") {
			// Its op lanes are not among the host's events: written once, it is
			// as an XSpace would have been.
			tr = again(t, xspaceOf(t, tr), "first.xplane.pb")
		}
		got := again(t, xspaceOf(t, tr), "copy.xplane.pb")
		if d := cmp.Diff(canonical(t, tr), canonical(t, got)); d != "" {
			t.Errorf("the trace changed:\n%.3000s", d)
		}
	})
}

func TestXSpaceRoundTripShared(t *testing.T) {
	for _, name := range []string{
		"xspace/cpu_reactant.xplane.pb", "xspace/gpu_gtx1080ti_x2.xplane.pb", "xspace/gpu_mi300_jax_conv.xplane.pb",
		"xspace/gpu_mi355_jax_fused_attention_fwd_bwd.xplane.pb", "xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz", "xspace/tpu_v6e_x4_host_offload.xplane.pb",
	} {
		t.Run(name, func(t *testing.T) {
			tr, err := trace.Open(tracetest.Shared(t, "data/"+name), trace.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			got := again(t, xspaceOf(t, tr), "copy.xplane.pb")
			if d := cmp.Diff(canonical(t, tr), canonical(t, got)); d != "" {
				t.Errorf("the trace changed:\n%.3000s", d)
			}
		})
	}
}

// TestXSpaceIsOfOneHost: of a capture of several, one must be named.
func TestXSpaceIsOfOneHost(t *testing.T) {
	const two = "layerscope-trace 1\nhost a\nhost b\ndevice /device:TPU:0 tpu host=a\ndevice /device:TPU:0 tpu host=b\nop x\nop y\n" +
		"track ops device=0 name=\"XLA Ops\" host=a\n  0 10 x\ntrack ops device=1 name=\"XLA Ops\" host=b\n  5 20 y\n"
	tr := again(t, []byte(two), "two.txt")
	var b bytes.Buffer
	if err := trace.WriteXSpace(&b, tr, trace.XSpaceOptions{}); err == nil || !strings.Contains(err.Error(), "2 hosts (a, b)") {
		t.Errorf("error %v", err)
	}
	b.Reset()
	if err := trace.WriteXSpace(&b, tr, trace.XSpaceOptions{Host: "b"}); err != nil {
		t.Fatal(err)
	}
	got := again(t, b.Bytes(), "b.pb")
	if len(got.Devices) != 1 || got.Devices[0].Host != "b" || outline(t, got) != `ops "XLA Ops": y 5e-06+2e-05` {
		t.Errorf("devices %+v, tracks %s", got.Devices, outline(t, got))
	}
}
