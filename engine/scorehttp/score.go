// SPDX-License-Identifier: Apache-2.0

package scorehttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/layerscope/layerscope/engine"
)

// scoreRequest is the body of POST /v1/score. Fields are raw so that a wrong
// type can be told from a missing one, in the documented order of checks.
type scoreRequest struct {
	Query        json.RawMessage `json:"query"`
	Items        json.RawMessage `json:"items"`
	Labels       json.RawMessage `json:"label_token_ids"`
	ApplySoftmax json.RawMessage `json:"apply_softmax"`
	ItemFirst    json.RawMessage `json:"item_first"`
	Model        json.RawMessage `json:"model"`
	Algorithm    json.RawMessage `json:"algorithm"`
}

// score answers POST /v1/score.
func (s *Server) score(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > 128 {
		id = "score-" + strconv.FormatInt(s.started.UnixMilli(), 36) + "-" + strconv.FormatInt(s.requests.Add(1), 10)
	}
	w.Header().Set("X-Request-Id", id)
	req, f := s.admit(w, r)
	if f != nil {
		fail(w, *f)
		return
	}
	defer s.active.Done()
	defer s.waiting.Add(-1)
	req.ID = id
	ctx, cancel := context.WithTimeout(r.Context(), s.opt.Timeout)
	defer cancel()
	res, err := s.e.Score(ctx, *req)
	if err != nil {
		fail(w, s.failureOf(err, id))
		return
	}
	s.metrics.scored(len(res.Scores), res.Tokens, res.PaddedTokens, res.CompileMisses)
	usage := map[string]any{"prompt_tokens": res.PromptTokens, "completion_tokens": 0, "total_tokens": res.PromptTokens}
	body := map[string]any{
		"id": id, "object": "scoring", "created": time.Now().Unix(), "model": res.Model, "scores": res.Scores, "usage": usage,
		"meta_info": map[string]any{
			"algorithm": res.Algorithm, "reason": res.Reason, "sequences": res.Sequences, "items_per_sequence": res.Chunk,
			"tokens": res.Tokens, "padded_tokens": res.PaddedTokens, "cached_tokens": res.CachedTokens, "cache_miss_count": res.CompileMisses,
			"queue_ms": ms(res.Queue), "compile_ms": ms(res.Compile), "forward_ms": ms(res.Forward), "total_ms": ms(res.Total),
		},
	}
	if len(res.Warnings) > 0 {
		body["warnings"] = res.Warnings
	}
	reply(w, http.StatusOK, body)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// admit reads and checks a request and gives it a place in the queue. The caller
// gives the place back.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (*engine.Request, *failure) {
	if !s.allowed(r) {
		return nil, &unauthorized
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		f := invalid("invalid_content_type", "", "Content-Type is %q, wanted application/json", r.Header.Get("Content-Type"))
		return nil, &f
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opt.MaxBody))
	if err != nil {
		var big *http.MaxBytesError
		f := invalid("invalid_body", "", "The body cannot be read: %v", err)
		if errors.As(err, &big) {
			f = invalid("body_too_large", "", "The body is larger than %d bytes", s.opt.MaxBody)
			f.status = http.StatusRequestEntityTooLarge
		}
		return nil, &f
	}
	req, f := s.parse(b)
	if f != nil {
		return nil, f
	}
	s.active.Add(1)
	if s.draining.Load() {
		s.active.Done()
		return nil, &drainingNow
	}
	if s.waiting.Add(1) > int64(s.opt.Queue) {
		s.waiting.Add(-1)
		s.active.Done()
		return nil, &overloaded
	}
	return req, nil
}

func (s *Server) failureOf(err error, id string) failure {
	var refusal *engine.Error
	switch {
	case errors.As(err, &refusal):
		return refused(refusal)
	case errors.Is(err, context.DeadlineExceeded):
		return failure{http.StatusGatewayTimeout, "server_error", "timeout", "", "The request took longer than " + s.opt.Timeout.String()}
	case errors.Is(err, context.Canceled):
		return failure{499, "server_error", "canceled", "", "The client went away"}
	}
	if s.opt.Log != nil {
		s.opt.Log.Error("score", "request_id", id, "error", err)
	}
	return internalError
}

// parse turns a body into a request. Checks run in the documented order: query,
// items, kinds, elements, labels, flags; the engine does those of values.
func (s *Server) parse(b []byte) (*engine.Request, *failure) {
	var raw scoreRequest
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&raw); err != nil {
		f := invalid("invalid_json", "", "The body is not a JSON object: %v", err)
		return nil, &f
	}
	req := &engine.Request{}
	p := parser{}
	p.query(raw.Query, req)
	p.items(raw.Items, req)
	p.labels(raw.Labels, req)
	req.Softmax = p.flag(raw.ApplySoftmax, "apply_softmax")
	req.ItemFirst = p.flag(raw.ItemFirst, "item_first")
	req.Algorithm = engine.Algorithm(p.text(raw.Algorithm, "algorithm", "invalid_algorithm"))
	if req.Algorithm == "auto" {
		req.Algorithm = engine.Auto
	}
	if model := p.text(raw.Model, "model", "invalid_model_type"); p.failed == nil && model != "" && model != s.e.Info().Model && model != "default" {
		p.fail("model_not_found", "model", "Model %q is not served here, which has %q", model, s.e.Info().Model)
	}
	return req, p.failed
}
