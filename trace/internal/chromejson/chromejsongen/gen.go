// SPDX-License-Identifier: Apache-2.0

// Package chromejsongen writes Trace Event JSON of any size for tests and
// benchmarks: deterministic by seed, in the style of JAX on TPU or of Kineto.
// Names, sizes and number spellings are modelled on real captures; the times
// of a file add up to what [Summary] says, to the picosecond.
package chromejsongen

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

// Style is whose writer is imitated.
type Style int

const (
	// TPU is JAX on TPU: one line, times with 17 digits, args all strings
	// with long_name, tf_op and the device clock; about 850 bytes an event.
	TPU Style = iota
	// Kineto is PyTorch: pretty-printed, categories, numbers and arrays in
	// args, flow pairs, the time base behind the events; about 450 bytes an
	// event.
	Kineto
)

// Spec says what to write. The zero value is an empty TPU file.
type Spec struct {
	Style  Style
	Seed   uint64
	Events int // complete events
	Layers int // 28 if 0
}

// Summary is what a correct reader finds.
type Summary struct {
	Events   int64 // all phases
	Complete int64 // phase X
	Dur      int64 // sum over the complete ones, picoseconds
	Bytes    int64
}

// Write writes a document.
func Write(w io.Writer, s Spec) (Summary, error) {
	if s.Layers == 0 {
		s.Layers = 28
	}
	g := &gen{
		w:    bufio.NewWriterSize(w, 1<<16),
		rand: rand.New(rand.NewPCG(s.Seed, 0x6c617965)),
		spec: s,
		now:  1_194_636_000_000,
	}
	if s.Style == Kineto {
		g.kineto()
	} else {
		g.tpu()
	}
	return g.sum, g.w.Flush()
}

type gen struct {
	w    *bufio.Writer
	rand *rand.Rand
	spec Spec
	buf  []byte
	sum  Summary
	now  int64 // picoseconds
}

func (g *gen) print(format string, args ...any) {
	n, _ := fmt.Fprintf(g.w, format, args...)
	g.sum.Bytes += int64(n)
}

func (g *gen) bytes(b []byte) {
	g.w.Write(b)
	g.sum.Bytes += int64(len(b))
}

// step advances the clock over one event and returns its start and length in
// picoseconds.
func (g *gen) step() (start, dur int64) {
	start = g.now
	dur = 1 + g.rand.Int64N(1<<g.rand.IntN(28))
	g.now += dur + g.rand.Int64N(5000)
	g.sum.Events++
	g.sum.Complete++
	g.sum.Dur += dur
	return start, dur
}

// op is one instruction of a layer.
type op struct{ name, category, scope, shape string }

var ops = []op{
	{"fusion", "convolution fusion", "attention/q_proj/bsd,dh->bsh/dot_general:", "bf16[1024,5120]{1,0:T(8,128)(2,1)S(1)}"},
	{"convolution_bitcast_fusion", "convolution fusion", "mlp/gate_proj/mn,pn->mp/dot_general:", "bf16[1024,1,27648]{2,0,1:T(16,128)(2,1)}"},
	{"add_rsqrt_fusion", "loop fusion", "input_layernorm/rsqrt:", "f32[1024]{0:T(1024)S(1)}"},
	{"all-reduce", "all-reduce", "mlp/down_proj/psum:", "bf16[1024,5120]{1,0:T(8,128)(2,1)}"},
	{"copy-done", "copy-done", "", "bf16[5120]{0:T(1024)(128)(2,1)S(1)}"},
	{"RPA-bq_32-bkvp_32-p_128", "custom-call", "attention/ragged_paged_attention:", "bf16[1024,40,128]{2,1,0:T(8,128)(2,1)}"},
	{"multiply_reduce_fusion", "loop fusion", "post_attention_layernorm/reduce_sum:", "f32[1024]{0:T(1024)}"},
}

// opsPerLayer is how many events later the same text comes again: gzip then
// shrinks a file to a tenth, as it does real ones.
const opsPerLayer = 28

func appendMicros(b []byte, ps int64) []byte {
	return strconv.AppendFloat(b, float64(ps)/1e6, 'g', 17, 64)
}

func (g *gen) tpu() {
	g.print(`{"displayTimeUnit":"ns","metadata":{"highres-ticks":true},"traceEvents":[`)
	for dev := range 2 {
		g.print(`{"ph":"M","pid":%d,"name":"process_name","args":{"name":"/device:TPU:%d"}},`, dev+3, dev)
		g.print(`{"ph":"M","pid":%d,"tid":3,"name":"thread_name","args":{"name":"XLA Ops"}},`, dev+3)
		g.sum.Events += 2
	}
	for i := range g.spec.Events {
		g.tpuEvent(i)
	}
	g.print(`{}]}`)
}

func (g *gen) tpuEvent(i int) {
	layer := i / opsPerLayer % g.spec.Layers
	at := i % opsPerLayer
	o := ops[at%len(ops)]
	id := layer*opsPerLayer + at
	width := 128 * (at*7%61 + 1)
	start, dur := g.step()
	b := append(g.buf[:0], `{"ph":"X","pid":3,"tid":3,"ts":`...)
	b = appendMicros(b, start)
	b = append(b, `,"dur":`...)
	b = appendMicros(b, dur)
	// What is true of the op is the same at each of its events.
	fixed := rand.New(rand.NewPCG(g.spec.Seed, uint64(id)))
	bytes := 4096 * (1 + fixed.IntN(90000))
	b = fmt.Appendf(b, `,"name":"%s.%d","args":{"Time Scale Multiplier":"1","bytes_accessed":"%d","deduplicated_name":"%s.%d","device_duration_ps":"%d","device_offset_ps":"%d","hlo_category":"%s",`,
		o.name, id, bytes, o.name, at, dur+dur/100_000, start+402e6+start/100_000, o.category) // a clock that drifts
	b = fmt.Appendf(b, `"long_name":"%%%s.%d = %s %s(%s %%param.%d, bf16[1024,%d]{1,0:T(8,128)(2,1)} %%get-tuple-element.%d, f32[%d]{0:T(1024)S(1)} %%add_rsqrt_fusion.%d), kind=kOutput, calls=%%fused_computation.%d, metadata={op_name=\"%s\"}",`,
		o.name, id, o.shape, o.name, o.shape, id*8+33, width, fixed.IntN(3000), width, id+1, id, o.scope)
	b = fmt.Appendf(b, `"memory_access_breakdown":"<opaque bytes>","model_flops":"%d","raw_bytes_accessed":"%d","shape_with_layout":"%s"`,
		fixed.Int64N(1e12), bytes, o.shape)
	if o.scope != "" {
		b = fmt.Appendf(b, `,"source":"/app/models/decoder.py:%d","source_stack":"/app/models/decoder.py:%d:14\n/app/models/decoder.py:81:9\n/app/runner/step.py:254:13\n","tf_op":"jit(step_fun)/layers.%d/%s"`,
			100+at*3, 100+at*3, layer, o.scope)
	}
	b = append(b, `}},`...)
	g.bytes(b)
	g.buf = b
}

func (g *gen) kineto() {
	g.print("{\n  \"schemaVersion\": 1,\n  \"deviceProperties\": [\n    {\n      \"id\": 0, \"name\": \"GPU\", \"totalGlobalMem\": 85100003328\n    }\n  ],\n  \"displayTimeUnit\": \"ms\",\n  \"traceEvents\": [\n")
	g.print("  {\n    \"name\": \"process_name\", \"ph\": \"M\", \"ts\": 1194636.000, \"pid\": 0, \"tid\": 0,\n    \"args\": {\n      \"name\": \"python\"\n    }\n  }")
	g.sum.Events++
	for i := range g.spec.Events {
		g.kinetoEvent(i)
	}
	g.print("\n  ],\n  \"traceName\": \"/tmp/trace.json\",\n  \"baseTimeNanoseconds\": 1751410836000000000\n}\n")
}

func (g *gen) kinetoEvent(i int) {
	o := ops[i%len(ops)]
	g.now = g.now / 1000 * 1000
	start, dur := g.step()
	whole := dur / 1000 * 1000 // nanosecond resolution
	g.sum.Dur -= dur - whole
	b := append(g.buf[:0], ",\n  {\n    \"ph\": \"X\", \"cat\": \"kernel\", \"name\": \""...)
	b = fmt.Appendf(b, "void at::native::%s<4, c10::BFloat16>(int, at::native::%s, std::array<char*, 2ul>)\", \"pid\": 0, \"tid\": 7,\n    \"ts\": %d.%03d, \"dur\": %d.%03d,\n",
		o.name, o.name, start/1e6, start/1e3%1e3, whole/1e6, whole/1e3%1e3)
	b = fmt.Appendf(b, "    \"args\": {\n      \"External id\": %d,\n      \"queued\": 0, \"device\": 0, \"context\": 1,\n      \"stream\": 7, \"correlation\": %d,\n      \"registers per thread\": 32,\n      \"shared memory\": 0,\n      \"warps per SM\": 542.060608,\n      \"grid\": [%d, 1, 1],\n      \"block\": [128, 1, 1],\n      \"est. achieved occupancy %%\": 100\n    }\n  }",
		i, 675000+i, 1+g.rand.IntN(20000))
	if i%3 == 0 {
		b = fmt.Appendf(b, ",\n  {\n    \"ph\": \"f\", \"id\": %d, \"pid\": 0, \"tid\": 7, \"ts\": %d.%03d,\n    \"cat\": \"ac2g\", \"name\": \"ac2g\", \"bp\": \"e\"\n  }",
			675000+i, start/1e6, start/1e3%1e3)
		g.sum.Events++
	}
	g.bytes(b)
	g.buf = b
}
