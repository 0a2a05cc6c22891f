// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/layerscope/layerscope/trace/capture"
)

// readBodies reads a file of scoring requests, standard input with "-".
func (a *app) readBodies(path string) ([]map[string]json.RawMessage, error) {
	var r io.Reader = a.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, cause(err))
		}
		defer f.Close()
		r = f
	}
	out, err := capture.ReadRequests(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	return out, nil
}

// setLoad makes the load of requests. The model is said in each: some servers
// want it.
func (l *live) setLoad(requests []map[string]json.RawMessage, names []string) error {
	url := l.f.target
	for _, s := range l.servers {
		if url == "" && s.Kind != capture.JAX {
			url = s.URL
		}
	}
	if url == "" {
		return usagef("--target http://HOST:PORT", "%s: a JAX profiler takes no scoring requests: say where they go", l.servers[0].URL)
	}
	load := &capture.Load{URL: strings.TrimSuffix(url, "/"), Key: l.f.key, Concurrency: l.f.concurrency, Prefix: "layerscope"}
	for _, r := range requests {
		if r["model"] == nil {
			name, err := json.Marshal(first(l.model, "default"))
			if err != nil {
				return err
			}
			r["model"] = name
		}
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		load.Bodies = append(load.Bodies, body)
	}
	l.load, l.names = load, names
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// warmUp sends every shape until nothing is compiled for it any more, alone and
// at the concurrency to come: how full a batch is may be part of a program's key.
func (l *live) warmUp(ctx context.Context, rounds int) error {
	if l.load == nil || rounds == 0 {
		return nil
	}
	begin, before := time.Now(), len(l.warm)
	var failed *capture.Call
	for round := 0; round < rounds || round < 3*rounds && coldest(l.warm[before:], len(l.load.Bodies)*l.load.Concurrency) > 0; round++ {
		n := len(l.load.Bodies)
		if round > 0 {
			n *= l.load.Concurrency
		}
		concurrency := l.load.Concurrency
		if round == 0 {
			l.load.Concurrency = 1
		}
		calls := l.load.Run(ctx, n, nil)
		l.load.Concurrency = concurrency
		if err := ctx.Err(); err != nil {
			return err
		}
		l.warm = append(l.warm, calls...)
		for i := range calls {
			if calls[i].Failed() {
				failed = &calls[i]
			}
		}
		if failed != nil {
			return &hintedError{fmt.Errorf("%s: warm-up: %s: %s", l.load.URL, l.names[failed.Body], failed.Err), "nothing is captured of requests that fail"}
		}
	}
	sent := l.warm[before:]
	l.say("warm-up", "%s of %s in %v%s", plural(len(sent), "request"), plural(len(l.load.Bodies), "shape"), time.Since(begin).Round(time.Millisecond), missNote(sent))
	return nil
}

// coldest counts the compilations of the last n calls.
func coldest(calls []capture.Call, n int) int {
	misses := 0
	for _, c := range calls[max(0, len(calls)-n):] {
		misses += max(0, c.Misses)
	}
	return misses
}

// missNote says what was compiled, of servers that say so.
func missNote(calls []capture.Call) string {
	if !slices.ContainsFunc(calls, func(c capture.Call) bool { return c.Misses >= 0 }) {
		return ""
	}
	return fmt.Sprintf(", %s compiled", plural(coldest(calls, len(calls)), "program"))
}
