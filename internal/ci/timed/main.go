// SPDX-License-Identifier: Apache-2.0

// Timed runs a command several times and prints the median and the shortest time
// of the whole process, its processor time and its peak memory:
//
//	go run ./internal/ci/timed -n 30 -- bin/layerscope --help
//
// The command's output is dropped. Any exit status but those of -ok ends it.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	n := flag.Int("n", 20, "runs, after one that is not counted")
	ok := flag.String("ok", "0", "exit statuses that are fine, comma-separated")
	flag.Parse()
	if err := timed(flag.Args(), *n, strings.Split(*ok, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "timed:", err)
		os.Exit(1)
	}
}

// A run is one process.
type run struct {
	wall, cpu time.Duration
	memory    int64 // bytes
}

func timed(args []string, n int, ok []string) error {
	if len(args) == 0 || n < 1 {
		return fmt.Errorf("wanted a command and one run at least")
	}
	runs := make([]run, 0, n+1)
	for range n + 1 {
		r, err := once(args, ok)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	runs = runs[1:]
	slices.SortFunc(runs, func(a, b run) int { return int(a.wall - b.wall) })
	mid := runs[n/2]
	fmt.Printf("median %.1f ms, shortest %.1f ms, processor %.1f ms, memory %.1f MB, %d runs: %s\n",
		ms(mid.wall), ms(runs[0].wall), ms(mid.cpu), float64(mid.memory)/1e6, n, strings.Join(args, " "))
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func once(args, ok []string) (run, error) {
	cmd := exec.Command(args[0], args[1:]...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if cmd.ProcessState == nil {
		return run{}, err
	}
	if !slices.Contains(ok, fmt.Sprint(cmd.ProcessState.ExitCode())) {
		return run{}, fmt.Errorf("%s: %v: %s", strings.Join(args, " "), err, errs.String())
	}
	r := run{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if u, isRusage := cmd.ProcessState.SysUsage().(*syscall.Rusage); isRusage {
		r.memory = int64(u.Maxrss) << 10
	}
	return r, nil
}
