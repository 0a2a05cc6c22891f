// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/engine"
	"github.com/layerscope/layerscope/engine/scorehttp"
)

func (a *app) serve() *cobra.Command {
	var f engineFlags
	var opt scorehttp.Options
	var address, logFormat string
	var drain time.Duration
	var delimiter int32
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the instrumented scoring engine over HTTP",
		Long: `serve answers POST /v1/score, and GET /v1/models, /health, /get_server_info, /metrics; POST /start_profile and /stop_profile
take a capture, which GET /profile_capture hands over. It binds the loopback address unless told otherwise. On SIGTERM or ^C it finishes what it has begun.`,
		Example: `  layerscope serve
  layerscope serve --address 127.0.0.1:0 --inject slow:layer_2/mlp=2x
  layerscope serve --model Qwen3-0.6B --api-key secret`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			eo, err := f.options()
			if err != nil {
				return err
			}
			log, err := a.logger(logFormat)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("delimiter") {
				eo.Delimiter = &delimiter
			}
			eo.Log, opt.Log, opt.Version = log, log, toolVersion()
			e, err := engine.Open(eo)
			if err != nil {
				return modelError(err)
			}
			return errors.Join(a.listen(cmd.Context(), e, opt, address, drain), e.Close())
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&address, "address", "127.0.0.1:30000", "`HOST:PORT` to listen on")
	flags.StringVar(&opt.Key, "api-key", "", "bearer `KEY` that /v1 wants (default none)")
	flags.IntVar(&opt.Queue, "queue", 256, "requests `N` that may wait; more are answered 429")
	flags.DurationVar(&opt.Timeout, "timeout", time.Minute, "time of a request, waiting included")
	flags.StringVar(&opt.Profiles, "profiles", "profiles", "`DIR` of captures")
	flags.Int32Var(&delimiter, "delimiter", 0, "token `ID` between query and items")
	flags.StringVar(&logFormat, "log", "text", "access log on standard error: `NAME` is text, json or none")
	flags.DurationVar(&drain, "drain", 30*time.Second, "time for requests under way at the end")
	return cmd
}

// logger writes to standard error.
func (a *app) logger(format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(a.stderr, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.stderr, nil)), nil
	case "none":
		return nil, nil
	}
	return nil, usagef("", "--log %s: want text, json or none", format)
}

// listen serves until the context ends, then drains. The address goes to
// standard output once the server answers.
func (a *app) listen(ctx context.Context, e *engine.Engine, opt scorehttp.Options, address string, drain time.Duration) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return &hintedError{err, "--address 127.0.0.1:0 takes a port that is free"}
	}
	s := scorehttp.New(e, opt)
	web := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	a.say("%s", describeModel(e))
	if _, err := fmt.Fprintf(a.stdout, "http://%s\n", l.Addr()); err != nil {
		return errors.Join(err, web.Close(), s.Close())
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		err = errors.Join(s.Drain(last), web.Shutdown(last))
		<-failed
	}
	return errors.Join(err, s.Close())
}
