// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const codeAlreadyExists = 6

// older are the names that methods had before.
var older = map[string]string{"StartContinuousProfiling": "ContinuousProfiling", "GetSnapshot": "GetSnapShot"}

// either calls a method by its name, or by the older one.
func (s *Server) either(method string, call func(method string) error) error {
	err := call(method)
	if name, ok := older[method]; ok && hasCode(err, codeUnimplemented) {
		return call(name)
	}
	return err
}

// startContinuous begins continuous profiling, unless it runs already.
func (s *Server) startContinuous(ctx context.Context, w *Window, set *Settings) error {
	// Once sent, the answer is waited for: Wait ends what was begun.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	message, config := s.profileRequest(set, set.Duration)
	config["continuous"] = true
	w.res.Config = config
	err := s.either("StartContinuousProfiling", func(method string) error { return s.rpc.call(ctx, method, message, 1<<20, empty) })
	switch {
	case err == nil:
		config["started"] = true
		return nil
	case hasCode(err, codeAlreadyExists):
		w.res.note("%s: continuous profiling ran already, with settings of its own", s.URL)
		return nil
	case hasCode(err, codeUnimplemented):
		return fmt.Errorf("%s: the server has no continuous profiling", s.URL)
	}
	return s.explain(err)
}

// snapshot is the life of a window of continuous profiling. Its windows are not
// those asked for: the capture says when it began and ended.
func (s *Server) snapshot(ctx context.Context, w *Window, set *Settings) {
	select {
	case <-time.After(set.Duration):
	case <-w.quit:
		w.res.Early = true
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 60*time.Second)
	defer cancel()
	err := s.either("GetSnapshot", func(method string) error { return s.fetch(ctx, method, nil, w, set) })
	if w.res.Config["started"] == true {
		err = errors.Join(err, s.rpc.call(ctx, "StopContinuousProfiling", nil, 1<<20, empty))
	}
	w.finish(err)
}
