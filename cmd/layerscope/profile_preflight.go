// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/layerscope/layerscope/trace/capture"
)

// preflight looks whether a session can succeed before it costs anything: the
// server is healthy, has the model meant, and scores; nobody else holds the
// accelerator.
func (l *live) preflight(ctx context.Context, model string) error {
	type scorer struct {
		url  string
		info map[string]any
	}
	var scorers []scorer
	for _, s := range l.servers {
		if s.Kind != capture.JAX {
			scorers = append(scorers, scorer{s.URL, s.Info})
		}
	}
	if l.f.target != "" {
		scorers = append(scorers, scorer{strings.TrimSuffix(l.f.target, "/"), l.targetInfo})
	}
	for _, s := range scorers {
		if err := healthy(ctx, s.url, l.f.key); err != nil {
			return &hintedError{err, "the server must answer /health before a session"}
		}
		l.say("health", "%s: ok", s.url)
		if have := first(stringOf(s.info["model_path"]), stringOf(s.info["model"])); model != "" && have != "" && !sameModel(model, have) {
			return &hintedError{fmt.Errorf("%s: the server has model %q, wanted %q", s.url, have, model), "--model says which one is meant"}
		}
	}
	l.model = first(l.model, model)
	for _, h := range holders(l.servers) {
		l.say("device", "%s", h)
	}
	return nil
}

// scoreOnce wants one request to bring scores.
func (l *live) scoreOnce(ctx context.Context) error {
	if l.load == nil {
		return nil
	}
	calls := l.load.Run(ctx, 1, nil)
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(calls) == 0 || calls[0].Failed() {
		why := "no answer"
		if len(calls) > 0 {
			why = calls[0].Err
		}
		return &hintedError{fmt.Errorf("%s: one scoring request: %s", l.load.URL, why), "a session would capture nothing else"}
	}
	l.say("score", "one request of %s: scores in %v", l.names[calls[0].Body], calls[0].Latency.Round(time.Microsecond))
	return nil
}

func healthy(ctx context.Context, base, key string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health", nil)
	if err != nil {
		return err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return fmt.Errorf("%s/health: %w", base, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4096) // the status is all that counts
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s/health: HTTP status %d", base, resp.StatusCode)
	}
	return nil
}

func stringOf(v any) string {
	s, _ := v.(string)
	return s
}

// sameModel compares names of models, of which one may be the other's last part.
func sameModel(a, b string) bool {
	a, b = strings.ToLower(strings.Trim(a, "/")), strings.ToLower(strings.Trim(b, "/"))
	return a == b || strings.HasSuffix(a, "/"+b) || strings.HasSuffix(b, "/"+a)
}

// limits are what the servers say they can take.
func (l *live) limits() limits {
	var out limits
	infos := []map[string]any{l.targetInfo}
	for _, s := range l.servers {
		infos = append(infos, s.Info)
	}
	for _, info := range infos {
		number := func(names ...string) int {
			for _, n := range names {
				if v, ok := info[n].(float64); ok && v > 0 && v < 1<<31 {
					return int(v)
				}
			}
			return 0
		}
		out.items = max(out.items, number("max_items"))
		out.tokens = max(out.tokens, number("max_seq_len", "context_length"))
		out.vocab = max(out.vocab, number("vocab_size"))
	}
	return out
}

// isLocal says whether a server is on this machine.
func isLocal(address string) bool {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
