// SPDX-License-Identifier: Apache-2.0

// Command testsum runs go test and says what happened: failures with their
// output as they occur, one line a package, then which tests were skipped and
// why, and as its last line "N passed, N failed, N skipped". Its exit status is
// go test's.
//
//	go run ./internal/ci/testsum [-o FILE] [go test arguments]
//
// The arguments default to ./... ; -o also writes the last line to FILE.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	file := ""
	if len(args) >= 2 && args[0] == "-o" {
		file, args = args[1], args[2:]
	}
	if len(args) == 0 {
		args = []string{"./..."}
	}
	status, sum, err := goTest(args, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "testsum:", err)
		status = max(status, 1)
	}
	sum.writeSkipped(stdout)
	line := sum.line()
	if file != "" {
		if err := os.WriteFile(file, []byte(line+"\n"), 0o666); err != nil {
			fmt.Fprintln(stderr, "testsum:", err)
			status = max(status, 1)
		}
	}
	fmt.Fprintln(stdout, line)
	return status
}

// goTest runs go test -json and feeds its events to a summary as they come.
func goTest(args []string, stdout, stderr io.Writer) (status int, sum *summary, err error) {
	sum = newSummary(stdout)
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 1, sum, err
	}
	if err := cmd.Start(); err != nil {
		return 1, sum, err
	}
	readErr := sum.read(events)
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), sum, readErr
	}
	return 0, sum, errors.Join(err, readErr)
}
