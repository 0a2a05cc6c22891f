// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/layerscope/layerscope/reports/runindex"
)

// fakeTrace stands in for a benchmark: it writes a capture of six layers and ten
// steps to $LAYERSCOPE_OUT, in the text form. The file "slow" of the worktree
// slows layers down: a line "3 1.3" is layer 3 by 30 %. Each run drifts by 1 %
// and each layer of it by 0.3 %, seeded by the session's side and run.
//
// $FAKE is a list of misdeeds: fail=SIDE-RUN, none=SIDE-RUN (no capture),
// sleep=DURATION, child (leaves a process behind).
//
// "faketrace record COMMIT TIME PS SUBJECT DIR" adds a run to an index instead.
func fakeTrace() {
	if len(os.Args) == 7 && os.Args[1] == "record" {
		fakeRecord(os.Args[2:])
		return
	}
	side, run := os.Getenv("LAYERSCOPE_SIDE"), os.Getenv("LAYERSCOPE_RUN")
	fmt.Println("fake run", run, "of", side)
	out := filepath.Join(os.Getenv("LAYERSCOPE_OUT"), "host.trace.txt")
	for _, misdeed := range strings.Fields(os.Getenv("FAKE")) {
		what, value, _ := strings.Cut(misdeed, "=")
		switch {
		case what == "fail" && value == side+"-"+run:
			fmt.Fprintln(os.Stderr, "first line\nRuntimeError: \x1b[31mout of luck")
			os.Exit(7)
		case what == "none" && value == side+"-"+run:
			return
		case what == "sleep":
			d, err := time.ParseDuration(value)
			check(err)
			check(os.WriteFile(out+".begun", nil, 0o666))
			time.Sleep(d)
		case what == "child":
			p, err := os.StartProcess("/bin/sleep", []string{"sleep", "300"}, &os.ProcAttr{Env: os.Environ()})
			check(err)
			check(os.WriteFile(out+".child", []byte(strconv.Itoa(p.Pid)), 0o666))
		}
	}
	check(os.WriteFile(out, []byte(fakeCapture(side+"-"+run, slowed())), 0o666))
}

func fakeRecord(args []string) {
	at, err := time.Parse(time.RFC3339, args[1])
	check(err)
	value, err := strconv.ParseFloat(args[2], 64)
	check(err)
	sum := sha256.Sum256([]byte(args[0]))
	_, _, err = runindex.Index{Store: runindex.Dir(args[4])}.Add(context.Background(), runindex.Run{
		Path: runindex.Nightly(at, args[0]), TimeUnixNano: at.UnixNano(), Commit: args[0], CommitUnix: at.Unix(), Subject: args[3], Devices: "1 × TPU v6e", Workload: "smoke",
		Captures: []runindex.File{{Path: "host.xplane.pb", SHA256: hex.EncodeToString(sum[:]), Bytes: 1}},
		Metrics:  []runindex.Metric{{Name: "step", Unit: "ps", Value: value, N: 12}, {Name: "layer_0", Unit: "ps", Value: value / 8, N: 12}},
	})
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "faketrace:", err)
		os.Exit(1)
	}
}

// slowed reads the file "slow".
func slowed() map[int]float64 {
	out := make(map[int]float64)
	text, err := os.ReadFile("slow")
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(text)) {
		var layer int
		var factor float64
		if _, err := fmt.Sscan(line, &layer, &factor); err == nil {
			out[layer] = factor
		}
	}
	return out
}

func fakeCapture(seed string, slow map[int]float64) string {
	h := fnv.New64a()
	fmt.Fprint(h, seed)
	rng := rand.New(rand.NewPCG(h.Sum64(), 1))
	var b, events, marks, execs strings.Builder
	b.WriteString("layerscope-trace 1\ndevice /device:TPU:0 tpu type=\"TPU v6e\"\nprogram jit_f 7\n")
	drift := math.Exp(0.01 * rng.NormFloat64())
	var level [6]float64
	for l := range level {
		fmt.Fprintf(&b, "op dot.%d program=0 category=\"convolution fusion\" scope=\"jit(f)/layer_%d/mlp/dot_general\"\n", l, l)
		level[l] = 50e6 * drift * math.Exp(0.003*rng.NormFloat64())
		if f, ok := slow[l]; ok {
			level[l] *= f
		}
	}
	at := int64(1000)
	for step := range 10 {
		begin := at
		for l := range level {
			d := int64(level[l] * math.Exp(0.005*rng.NormFloat64()))
			fmt.Fprintf(&events, "  %d %d dot.%d\n", at, d, l)
			at += d
		}
		fmt.Fprintf(&execs, "exec 0 0 %d %d %d\n", step, begin, at-begin)
		fmt.Fprintf(&marks, "step %d 0 %d %d\n", step, begin, at-begin)
		at += 1e6
	}
	return b.String() + execs.String() + marks.String() + "track ops device=0 name=\"XLA Ops\"\n" + events.String()
}
