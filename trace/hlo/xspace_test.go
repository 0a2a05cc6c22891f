// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/ulikunitz/xz"
)

// xspaceModules returns the HloProtos inside a profile by "name(program id)":
// XSpace planes 1, XPlane name 2, event metadata 4 {value 2 {name 2, stats 5
// {bytes 6}}}.
func xspaceModules(tb testing.TB, path string) map[string][]byte {
	tb.Helper()
	b := readAny(tb, path)
	found := map[string][]byte{}
	each(b, 1, func(plane []byte) {
		name := ""
		each(plane, 2, func(v []byte) { name = string(v) })
		if name != "/host:metadata" {
			return
		}
		each(plane, 4, func(entry []byte) {
			each(entry, 2, func(meta []byte) {
				name := ""
				each(meta, 2, func(v []byte) { name = string(v) })
				each(meta, 5, func(stat []byte) {
					each(stat, 6, func(v []byte) { found[name] = v })
				})
			})
		})
	})
	return found
}

func each(b []byte, num int, f func([]byte)) {
	for m := (message{b: b}); m.next(); {
		if int(m.num) == num && m.bytes() {
			f(m.val)
		}
	}
}

// readAny reads a file and unpacks .gz and .xz.
func readAny(tb testing.TB, path string) []byte {
	tb.Helper()
	if !strings.HasSuffix(path, ".xz") {
		return read(tb, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	z, err := xz.NewReader(bytes.NewReader(b))
	if err != nil {
		tb.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		tb.Fatal(err)
	}
	return b
}

var xspaces = []struct {
	file, golden string
	modules      int
}{
	{"cpu_reactant.xplane.pb", "cpu_reactant", 1},
	{"gpu_gtx1080ti_x2.xplane.pb", "gpu_gtx1080ti_x2", 2},
	{"gpu_mi300_jax_conv.xplane.pb", "gpu_mi300_jax_conv", 8},
	{"gpu_mi355_jax_fused_attention_fwd_bwd.xplane.pb", "gpu_mi355_jax_fused_attention_fwd_bwd", 9},
	{"tpu_v6e_torchxla_cnn.xplane.pb.gz", "tpu_v6e_torchxla_cnn", 1},
	{"tpu_v6e_x4_host_offload.xplane.pb", "tpu_v6e_x4_host_offload", 4},
	{"libtpu_v6e_compile_no_device.xplane.pb.xz", "", 1},
}

// TestXSpaceModules decodes every module inside the shared profiles without a
// warning, with its memory plan.
func TestXSpaceModules(t *testing.T) {
	for _, x := range xspaces {
		t.Run(x.file, func(t *testing.T) {
			mods := xspaceModules(t, tracetest.Shared(t, "data/xspace/"+x.file))
			if len(mods) != x.modules {
				t.Errorf("%d modules, want %d", len(mods), x.modules)
			}
			for name, b := range mods {
				m := parse(t, b)
				if base, _, _ := strings.Cut(name, "("); m.Name != base {
					t.Errorf("%s: name %q", name, m.Name)
				}
				if len(m.Warnings) > 0 {
					t.Errorf("%s: warnings %v", name, m.Warnings)
				}
				a, err := m.Buffers()
				if err != nil || a == nil || len(a.Allocations) == 0 {
					t.Errorf("%s: buffers %v, %v", name, a, err)
				}
				for _, in := range m.Entry.Instructions {
					if in.Shape.Type == Invalid {
						t.Errorf("%s: %s has no shape", name, in.Name)
					}
				}
			}
		})
	}
}

// TestCPUProfiles decodes every module inside the JAX-on-CPU profiles, and
// finds there the program that lies beside some of them.
func TestCPUProfiles(t *testing.T) {
	for _, x := range []struct {
		dir, file string
		modules   int
	}{
		{"base_a", "host.xplane.pb", 11}, {"tp4", "host.xplane.pb", 0}, {"cold", "host.xplane.pb.gz", 0},
		{"scan", "host.xplane.pb.gz", 0}, {"modules", "host.xplane.pb.gz", 0}, {"leak", "host.xplane.pb.gz", 0},
	} {
		mods := xspaceModules(t, tracetest.Shared(t, "data/jax_cpu/"+x.dir+"/"+x.file))
		if len(mods) < 3 || x.modules > 0 && len(mods) != x.modules {
			t.Errorf("%s: %d modules", x.dir, len(mods))
		}
		largest := &Module{}
		for name, b := range mods {
			m := parse(t, b)
			if len(m.Warnings) > 0 {
				t.Errorf("%s %s: %v", x.dir, name, m.Warnings)
			}
			if a, err := m.Buffers(); err != nil || a == nil {
				t.Errorf("%s %s: buffers %v, %v", x.dir, name, a, err)
			} else if p, err := a.Peak(0); err != nil || p.Bytes() == 0 {
				t.Errorf("%s %s: peak %v, %v", x.dir, name, p, err)
			}
			if len(m.Computations) > len(largest.Computations) {
				largest = m
			}
		}
		if matmuls := matmulByScope(largest); len(matmuls) == 0 {
			t.Errorf("%s: no matmul in %s", x.dir, largest.Name)
		}
	}
}
