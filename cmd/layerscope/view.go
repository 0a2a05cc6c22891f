// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/viewer"
)

// viewFlags are those of view alone.
type viewFlags struct {
	ui       string
	port     string
	noOpen   bool
	perfetto string
}

func (a *app) view() *cobra.Command {
	var in inputFlags
	var f viewFlags
	cmd := &cobra.Command{
		Use:   "view INPUT",
		Short: "Look at a run, or a directory of runs, in the browser",
		Long: `view serves a page on the loopback address until ^C and opens it: of one run its report, the timeline in the Perfetto
UI with the slowest step in view, and a flame graph in speedscope; of a directory of runs also the trend over them, and
comparisons of two by clicking. The speedscope is built in. The Perfetto UI is loaded from its own site, and gets the
trace from the browser: nothing is uploaded.

The page only reads, answers to its own address alone, and shows the runs of INPUT and no other file.`,
		Example: `  layerscope view host.xplane.pb
  layerscope view runs --port 8000+            the first free port from 8000
  layerscope view host.xplane.pb --ui perfetto`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "-" {
				return usagef(cmd.CommandPath()+" runs", "view: want one INPUT, a file or a directory")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runView(cmd.Context(), args[0], &in, &f)
		},
	}
	in.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.ui, "ui", "page", "what opens: `NAME` is page, perfetto or speedscope")
	flags.StringVar(&f.port, "port", "0", "`PORT` on the loopback address; 0 = any free one, 8000+ = the first free one from 8000")
	flags.BoolVar(&f.noOpen, "no-open", false, "only print the address")
	flags.StringVar(&f.perfetto, "perfetto", viewer.DefaultPerfetto, "`URL` of the Perfetto UI")
	_ = cmd.RegisterFlagCompletionFunc("ui", cobra.FixedCompletions([]string{"page", "perfetto", "speedscope"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

func (a *app) runView(ctx context.Context, arg string, in *inputFlags, f *viewFlags) error {
	if f.ui != "page" && f.ui != "perfetto" && f.ui != "speedscope" {
		return usagef("", "--ui %s: want page, perfetto or speedscope", f.ui)
	}
	if _, _, err := in.options(); err != nil {
		return err
	}
	src, err := a.viewOf(ctx, arg, in)
	if err != nil {
		return err
	}
	l, err := listenLoopback(f.port)
	if err != nil {
		return err
	}
	address := l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	page, err := viewer.New(src, viewer.Options{Hosts: []string{address, "localhost:" + port}, Perfetto: f.perfetto})
	if err != nil {
		return errors.Join(usagef("--perfetto "+viewer.DefaultPerfetto, "--perfetto: %v", err), l.Close())
	}
	path := "/"
	if id := src.only(); id != "" && f.ui != "page" {
		path = "/run/" + id + "/" + f.ui
	} else if f.ui != "page" {
		a.say("layerscope: %s holds several runs; choose one on the page", arg)
	}
	web := &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go src.study(ctx)
	if _, err := fmt.Fprintf(a.stdout, "http://%s%s\n", address, path); err != nil {
		return errors.Join(err, web.Close())
	}
	if !f.noOpen && term.IsTerminal(a.stdout) {
		openBrowser(ctx, "http://"+address+path)
		a.say("^C ends it")
	}
	select {
	case err = <-failed:
		return err
	case <-ctx.Done():
	}
	return web.Close()
}

// listenLoopback listens on a port, or with 8000+ on the first free one of the
// hundred from 8000.
func listenLoopback(port string) (net.Listener, error) {
	digits, next := strings.CutSuffix(port, "+")
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return nil, usagef("", "--port %s: want a number up to 65535, or one with + behind it", port)
	}
	for tries := 0; ; tries++ {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.FormatUint(n, 10))
		switch {
		case err == nil:
			return l, nil
		case next && errors.Is(err, syscall.EADDRINUSE) && tries < 100 && n < 65535:
			n++
		case errors.Is(err, syscall.EADDRINUSE):
			return nil, &hintedError{fmt.Errorf("port %s is in use", digits), "--port " + digits + "+ takes the next free one"}
		default:
			return nil, err
		}
	}
}

// openBrowser asks the system to; the address is on standard output if it
// can't.
func openBrowser(ctx context.Context, url string) {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	if cmd := exec.CommandContext(ctx, name, args...); cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // its end is of no interest
	}
}
