// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/layerscope/layerscope/engine"
	"github.com/layerscope/layerscope/engine/scorehttp"
)

// serveMeanwhile serves a model on a free port of the loopback address until stop
// is called.
func (a *app) serveMeanwhile(model, inject string) (url string, stop func() error, err error) {
	faults, err := engine.ParseInjection(inject)
	if err != nil {
		return "", nil, usagef("", "--inject: %v", err)
	}
	if model == "embedded" {
		model = ""
	}
	e, err := engine.Open(engine.Options{Model: model, Inject: faults})
	if err != nil {
		return "", nil, modelError(err)
	}
	dir, err := os.MkdirTemp("", "layerscope-serve-*")
	if err != nil {
		return "", nil, errors.Join(err, e.Close())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, errors.Join(err, e.Close(), os.RemoveAll(dir))
	}
	s := scorehttp.New(e, scorehttp.Options{Profiles: dir, Version: toolVersion()})
	web := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	return "http://" + l.Addr().String(), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := web.Shutdown(ctx)
		if serveErr := <-done; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
		return errors.Join(err, s.Close(), e.Close(), os.RemoveAll(dir))
	}, nil
}
