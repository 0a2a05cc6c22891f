// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"strings"
	"testing"

	"github.com/layerscope/layerscope/trace"
)

// kineto is what PyTorch's profiler writes, in small: a model of two layers
// with two projections each, one step, a kernel left over from before, an
// asynchronous copy that overlaps a kernel, and string ids.
const kineto = `{"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "GPU X", "totalGlobalMem": 1000}], "traceEvents": [
 {"ph":"M","name":"process_name","pid":10,"tid":0,"args":{"name":"python"}},
 {"ph":"M","name":"thread_name","pid":0,"tid":7,"args":{"name":"stream 7 "}},
 {"ph":"X","cat":"user_annotation","name":"ProfilerStep#3","pid":10,"tid":10,"ts":0,"dur":100},
 {"ph":"X","cat":"python_function","name":"nn.Module: Net_0","pid":10,"tid":10,"ts":1,"dur":90},
 {"ph":"X","cat":"python_function","name":"net.py(3): forward","pid":10,"tid":10,"ts":1,"dur":90},
 {"ph":"X","cat":"python_function","name":"nn.Module: NetLayer_0","pid":10,"tid":10,"ts":10,"dur":20},
 {"ph":"X","cat":"python_function","name":"nn.Module: Linear_0","pid":10,"tid":10,"ts":11,"dur":4},
 {"ph":"X","cat":"cpu_op","name":"aten::linear","pid":10,"tid":10,"ts":12,"dur":2,"args":{"External id":1}},
 {"ph":"X","cat":"cpu_op","name":"aten::mm","pid":10,"tid":10,"ts":12.5,"dur":1,"args":{"External id":2}},
 {"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":10,"tid":10,"ts":12.7,"dur":0.1,"args":{"External id":2,"correlation":100}},
 {"ph":"s","cat":"ac2g","name":"ac2g","id":100,"pid":10,"tid":10,"ts":12.7},
 {"ph":"X","cat":"python_function","name":"nn.Module: Linear_1","pid":10,"tid":10,"ts":20,"dur":4},
 {"ph":"s","cat":"ac2g","name":"ac2g","id":101,"pid":10,"tid":10,"ts":21},
 {"ph":"X","cat":"python_function","name":"nn.Module: NetLayer_1","pid":10,"tid":10,"ts":40,"dur":20},
 {"ph":"X","cat":"user_annotation","name":"rope","pid":10,"tid":10,"ts":41,"dur":4},
 {"ph":"X","cat":"cpu_op","name":"aten::mul","pid":10,"tid":10,"ts":42,"dur":2,"args":{"External id":9}},
 {"ph":"X","cat":"kernel","name":"old","pid":0,"tid":7,"ts":5,"dur":1,"args":{"device":0,"stream":7,"correlation":7}},
 {"ph":"X","cat":"kernel","name":"void ns::gemm<float>(int)","pid":0,"tid":7,"ts":50,"dur":10,"args":{"device":0,"stream":7,"correlation":100,"External id":2}},
 {"ph":"f","cat":"ac2g","name":"ac2g","id":100,"pid":0,"tid":7,"ts":50,"bp":"e"},
 {"ph":"X","cat":"gpu_memcpy","name":"Memcpy DtoD (Device -> Device)","pid":0,"tid":7,"ts":55,"dur":10,"args":{"correlation":101}},
 {"ph":"X","cat":"kernel","name":"mul","pid":0,"tid":7,"ts":70,"dur":10,"args":{"External id":9}},
 {"ph":"X","cat":"gpu_user_annotation","name":"ProfilerStep#3","pid":0,"tid":7,"ts":50,"dur":30},
 {"ph":"i","cat":"cpu_instant_event","s":"t","name":"[memory]","pid":10,"tid":10,"ts":13,"args":{"Total Reserved":500,"Total Allocated":300,"Bytes":-40,"Addr":64,"Device Id":0,"Device Type":1}},
 {"ph":"X","cat":"Trace","name":"PyTorch Profiler (0)","pid":"Spans","tid":"PyTorch Profiler","ts":0,"dur":110},
 {"ph":"i","name":"Record Window End","s":"g","pid":"Traces","tid":"Trace","ts":110}
], "baseTimeNanoseconds": 1700000000000000000}`

func TestTorch(t *testing.T) {
	tr, err := trace.Read(strings.NewReader(kineto), "k.json", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{ // scope by name of the op
		"old":                            "launched before the capture/old",
		"aten::mm":                       "Net/layers/0/Linear_0/aten::mm",
		"Memcpy DtoD (Device -> Device)": "Net/layers/0/Linear_1",
		"aten::mul":                      "Net/layers/1/rope/aten::mul",
	}
	got := ""
	for _, tk := range tr.Tracks {
		if tk.Kind != trace.Stream {
			continue
		}
		got += tk.Name + ":"
		for b := range tk.Batches() {
			for _, id := range b.Op {
				op := &tr.Ops[id]
				got += " " + op.Name
				if op.Scope != want[op.Name] {
					t.Errorf("%s: scope %q, want %q", op.Name, op.Scope, want[op.Name])
				}
			}
		}
		got += ". "
	}
	if want := "stream 7: old aten::mm aten::mul. stream 7 (overlap 1): Memcpy DtoD (Device -> Device). "; got != want {
		t.Errorf("streams %q, want %q", got, want)
	}
	d := trace.Device{Name: "/device:GPU:0", Host: "", Kind: "gpu", Type: "GPU X", Memory: 1000}
	if len(tr.Devices) != 1 || tr.Devices[0] != d {
		t.Errorf("devices %+v", tr.Devices)
	}
	if tr.Origin != 1_700_000_000_000_000_000 || tr.Wall != 110*trace.Microsecond {
		t.Errorf("origin %d, wall %d", tr.Origin, tr.Wall)
	}
	if len(tr.Steps) != 2 || tr.Steps[1].Device != 0 || tr.Steps[1].Number != 3 || tr.Steps[1].Dur != 30*trace.Microsecond {
		t.Errorf("steps %+v", tr.Steps)
	}
	if len(tr.Allocs) != 1 || !tr.Allocs[0].Free || tr.Allocs[0].Bytes != 40 || tr.Allocs[0].Allocator != "gpu:0" {
		t.Errorf("allocator events %+v", tr.Allocs)
	}
}

// phases are events of every kind with the tracks that they must give.
var phases = []struct{ name, events, want string }{
	{"begin and end by name, at one instant", `{"ph":"B","ts":0,"name":"x"},{"ph":"B","ts":5,"name":"x"},{"ph":"E","ts":5,"name":"x"},{"ph":"E","ts":9,"name":"x"}`,
		`host "thread 0": x 0+9 x 5+0`},
	{"end before the next begin at one instant", `{"ph":"B","ts":0,"name":"x"},{"ph":"B","ts":5,"name":"x"},{"ph":"E","ts":9,"name":"x"},{"ph":"E","ts":5,"name":"y"}`,
		`host "thread 0": x 0+9 x 5+4; unfinished 1; unmatched-end 1`},
	{"end without a name closes the innermost", `{"ph":"B","ts":0,"name":"x"},{"ph":"B","ts":1,"name":"y"},{"ph":"E","ts":2},{"ph":"E","ts":3}`, `host "thread 0": x 0+3 y 1+1`},
	{"category must match", `{"ph":"B","ts":0,"name":"x","cat":"a"},{"ph":"B","ts":1,"name":"x","cat":"b"},{"ph":"E","ts":2,"name":"x","cat":"a"},{"ph":"E","ts":3,"cat":"b"}`,
		`host "thread 0": x 0+2; host "thread 0 (overlap 1)": x 1+2; overlap 1`},
	{"async by id of one type", `{"ph":"b","ts":0,"name":"x","cat":"c","id":1},{"ph":"b","ts":1,"name":"y","cat":"c","id":"1"},{"ph":"e","ts":4,"name":"y","cat":"c","id":"1"},{"ph":"e","ts":9,"name":"x","cat":"c","id":1},{"ph":"n","ts":3,"name":"z","cat":"c","id":1}`,
		`async "c": x 0+9 y 1+3 z 3+0`},
	{"async by category, local id and process", `{"ph":"b","ts":0,"name":"x","cat":"c","id2":{"local":1},"pid":1},{"ph":"e","ts":4,"name":"x","cat":"c","id2":{"local":1},"pid":2},{"ph":"e","ts":5,"name":"x","cat":"c","id2":{"local":1},"pid":1}`,
		`async "c": x 0+5; unmatched-end 1`},
	{"async end first, and no id", `{"ph":"e","ts":4,"name":"x","id":7},{"ph":"b","ts":1,"name":"x","id":7},{"ph":"b","ts":1,"name":"x"}`, `async "async": x 1+3; damaged 1`},
	{"old async", `{"ph":"S","ts":0,"name":"x","id":1},{"ph":"T","ts":1,"name":"x","id":1},{"ph":"F","ts":2,"name":"x","id":1}`, `async "async": x 0+2; phases-skipped 1`},
	{"instants beside the thread", `{"ph":"X","ts":0,"dur":2,"name":"a"},{"ph":"i","ts":1,"name":"b","s":"g"},{"ph":"I","ts":2,"name":"c"}`, `host "thread 0": a 0+2; other "thread 0 (instants)": b 1+0 c 2+0`},
	{"counters", `{"ph":"C","ts":1,"name":"mem","args":{"a":1,"b":"2.5","c":true,"d":{"x":1}}},{"ph":"C","ts":2,"name":"mem","id":"7","args":{"a":3}},{"ph":"C","ts":2,"name":"mem","args":{"a":"NaN"}}`,
		`counter "mem a": mem a 1+0=1; counter "mem b": mem b 1+0=2.5; counter "mem c": mem c 1+0=1; counter "mem [id: 7] a": mem [id: 7] a 2+0=3; damaged 1; damaged 1`},
	{"ids that are strings, and none", `{"ph":"X","ts":0,"dur":1,"name":"a","pid":"p","tid":"t"},{"ph":"X","ts":1,"dur":1,"name":"b","pid":5},{"ph":"X","ts":2,"dur":1,"name":"c","pid":"5","tid":"5"},{"ph":"X","ts":3,"dur":1,"name":"d","pid":-1,"tid":4294967297}`,
		`host "t": a 0+1; host "thread 5": b 1+1 c 2+1; host "thread 4294967297": d 3+1`},
	{"bad durations", `{"ph":"X","ts":0,"dur":-1,"name":"a"},{"ph":"X","ts":1,"name":"b"},{"ph":"X","ts":2,"dur":"50a","name":"c"},{"ph":"X","dur":2,"name":"d"},{"ph":"X","ts":-3,"dur":1e-06,"name":"e"}`,
		`host "thread 0": e -3+1e-06 b 1+0; damaged 1; no-duration 1; damaged 1; damaged 1`},
	{"metadata after use, twice, unknown", `{"ph":"X","ts":0,"dur":1,"name":"a"},{"ph":"M","name":"thread_name","args":{"name":"one"}},{"ph":"M","name":"thread_name","args":{"name":"two"}},{"ph":"M","name":"thread_sort_index","args":{"sort_index":1.5}},{"ph":"M","name":"odd","args":{}}`,
		`host "two": a 0+1`},
	{"phases that nothing is made of", `{"ph":"O","ts":1,"name":"o"},{"ph":"O","ts":2,"name":"o"},{"ph":"P","ts":1},{"ph":"Z","ts":1},{"ph":"s","ts":1,"id":1},{"ph":"f","ts":1,"id":1}`,
		`phases-skipped 2; phases-skipped 1; phases-skipped 1; flows-loose 2`},
	{"an end's args complete its begin's", `{"ph":"B","ts":0,"name":"x"},{"ph":"E","ts":1,"name":"x","args":{"tf_op":"f/x"}}`, `host "thread 0": x 0+1`},
}

func TestPhases(t *testing.T) {
	for _, c := range phases {
		events := strings.ReplaceAll(c.events, `"ph"`, `"tid":0,"ph"`)
		if strings.Contains(c.events, `"pid"`) {
			events = c.events
		}
		tr, err := trace.Read(strings.NewReader("["+events+"]"), "p.json", trace.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := outline(t, tr); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
		if strings.HasPrefix(c.name, "an end's") && tr.Ops[0].Scope != "f/x" {
			t.Errorf("scope %q", tr.Ops[0].Scope)
		}
	}
}
