// SPDX-License-Identifier: Apache-2.0

// Command layerscope says where the time of a profiled model went, layer by
// layer. Every verb is a file here; main only builds the edge that they see the
// world through.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a closed pipe is an error of the write, and no failure
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	e := edge{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv, now: time.Now}
	code := run(ctx, e, os.Args[1:])
	stop()
	os.Exit(code)
}
