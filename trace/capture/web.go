// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// maxAnswer bounds answers that are no captures.
const maxAnswer = 1 << 20

// A web is the HTTP face of a server. Redirects are refused: they would carry
// the key elsewhere.
type web struct {
	base, key string
	client    *http.Client
}

func newWeb(base, key string) *web {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &web{base: base, key: key, client: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 256,
			TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *web) close() { c.client.CloseIdleConnections() }

func (c *web) request(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	req.Header.Set("User-Agent", "layerscope")
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", c.base, path, unwrapURL(err))
	}
	return resp, nil
}

// ask makes a small request. The object is nil where the answer is no JSON
// object.
func (c *web) ask(ctx context.Context, limit time.Duration, method, path string, body []byte) (status int, text string, object map[string]any, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := c.request(ctx, method, path, body)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, "", nil, fmt.Errorf("%s%s: reading the answer: %w", c.base, path, err)
	case len(b) > maxAnswer:
		return 0, "", nil, fmt.Errorf("%s%s: an answer of more than %d bytes", c.base, path, maxAnswer)
	}
	if json.Unmarshal(b, &object) != nil {
		object = nil
	}
	return resp.StatusCode, strings.TrimSpace(string(b)), object, nil
}

// identify says what kind of server this is, and what it says of itself.
func (c *web) identify(ctx context.Context) (Kind, map[string]any, error) {
	status, text, info, err := c.ask(ctx, 10*time.Second, http.MethodGet, "/get_server_info", nil)
	if err != nil {
		return "", nil, err
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return "", nil, fmt.Errorf("%s: HTTP status %d: the server wants a key", c.base, status)
	}
	if status != http.StatusOK {
		info = nil
	}
	if info["engine"] == "layerscope" {
		return Layerscope, info, nil
	}
	profiler, text2, answer, err := c.ask(ctx, 10*time.Second, http.MethodGet, "/profile_status", nil)
	if err != nil {
		return "", nil, err
	}
	if _, ok := answer["status"].(string); profiler != http.StatusOK || !ok {
		return "", nil, fmt.Errorf("%s: no profiler endpoints: /get_server_info answers %d %.80q, /profile_status %d %.80q", c.base, status, text, profiler, text2)
	}
	return SGLang, info, nil
}

// profiling says whether the profiler is at work, and what is known of its last
// window.
func (c *web) profiling(ctx context.Context) (bool, map[string]any, error) {
	status, text, answer, err := c.ask(ctx, 30*time.Second, http.MethodGet, "/profile_status", nil)
	if err != nil {
		return false, nil, err
	}
	state, ok := answer["status"].(string)
	if status != http.StatusOK || !ok {
		return false, nil, fmt.Errorf("%s/profile_status: HTTP status %d: %.120q", c.base, status, text)
	}
	return state != "idle", answer, nil
}

// openWeb starts the profiler of a server with HTTP endpoints.
func (s *Server) openWeb(ctx context.Context, set *Settings) (*Window, error) {
	own := *set // a retry begins from the same settings
	set = &own
	body, err := s.startBody(set)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	w, work := s.newWindow(ctx, set)
	w.res.Config = body
	// Once sent, the answer is waited for: a start that nobody hears of would leave
	// the profiler running. Wait closes the window when ctx has ended meanwhile.
	status, answer, object, err := s.web.ask(work, time.Minute, http.MethodPost, "/start_profile", text)
	switch {
	case err != nil:
		err = errors.Join(err, s.stopUnheard(work))
	case status/100 != 2:
		err = s.refused(work, status, answer)
	}
	if err != nil {
		w.cancel()
		return nil, err
	}
	if session, ok := object["session"].(string); ok && s.Kind == Layerscope {
		w.Session = session
	}
	w.res.Begin = time.Now()
	go s.follow(work, w, set)
	return w, nil
}

// stopUnheard ends a window whose start was not answered, if there is one.
func (s *Server) stopUnheard(ctx context.Context) error {
	if busy, _, err := s.web.profiling(ctx); err != nil || !busy {
		return nil // nothing to be done, and the start's error says it
	}
	return s.stopProfile(ctx)
}

// refused explains an answer of /start_profile that is no success. A busy
// profiler is a 500 with any text on some servers: its status decides.
func (s *Server) refused(ctx context.Context, status int, text string) error {
	if busy, _, err := s.web.profiling(ctx); err == nil && busy || status == http.StatusConflict {
		return fmt.Errorf("%s: %w (HTTP status %d)", s.URL, ErrBusy, status)
	}
	return fmt.Errorf("%s/start_profile: HTTP status %d: %.200q; the server must be able to write to the directory it is given", s.URL, status, text)
}

// startBody is the request of a window. The directory is the window's own, so
// that what appears in it is the capture.
func (s *Server) startBody(set *Settings) (map[string]any, error) {
	if s.Kind == Layerscope {
		if set.Steps > 0 || set.StartStep > 0 || set.ByStage {
			return nil, fmt.Errorf("%s: this server counts no steps and knows no stages; its window ends after the requests, or a duration", s.URL)
		}
		return map[string]any{"server": "layerscope", "duration_ms": set.Duration.Milliseconds()}, nil
	}
	if set.ServerDir == "" {
		if !s.local() {
			return nil, fmt.Errorf("%s: the server writes captures on its own side: name a directory that it and this machine see, or gs://", s.URL)
		}
		set.ServerDir = os.TempDir()
	}
	set.ServerDir = strings.TrimSuffix(set.ServerDir, "/") + "/layerscope-" + set.Session
	if set.LocalDir != "" {
		set.LocalDir = strings.TrimSuffix(set.LocalDir, "/") + "/layerscope-" + set.Session
	}
	body := map[string]any{
		"server": "sglang", "output_dir": set.ServerDir, "host_tracer_level": level(set.HostTracer, 2), "python_tracer_level": level(set.PythonTracer, 0),
	}
	if set.DeviceTracer != 0 {
		body["device_tracer_level"] = level(set.DeviceTracer, 1)
	}
	if set.Steps > 0 {
		body["num_steps"] = set.Steps
		if set.StartStep == 0 && !set.ByStage {
			// The counter is tested before the batch runs, so the last one asked
			// for is not captured; of one alone nothing is.
			body["num_steps"] = set.Steps + 1
		}
	}
	if set.StartStep > 0 {
		body["start_step"] = set.StartStep
	}
	if set.ByStage {
		body["profile_by_stage"] = true
		if len(set.Stages) > 0 {
			body["profile_stages"] = set.Stages
		}
	}
	return body, nil
}

// follow is the life of a window: until the server says that it is idle, the
// time is over, or the end is asked for.
func (s *Server) follow(ctx context.Context, w *Window, set *Settings) {
	stopped, err := s.untilIdle(ctx, w, set)
	if err == nil && stopped {
		w.res.End = time.Now() // what is answered while the server stops may not be in the capture
		err = s.stopProfile(ctx)
	}
	w.close()
	if err == nil {
		if s.Kind == Layerscope {
			err = s.take(ctx, w.res, w.Session)
		} else {
			err = s.collect(ctx, w.res, set)
		}
	}
	w.finish(err)
}

// untilIdle polls; stop says that the server has to be told to stop.
func (s *Server) untilIdle(ctx context.Context, w *Window, set *Settings) (stop bool, err error) {
	var over <-chan time.Time
	if set.Duration > 0 {
		over = time.After(set.Duration)
	}
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return true, nil
		case <-w.quit:
			w.res.Early = true
			return true, nil
		case <-over:
			if set.Steps > 0 {
				w.res.Early = true
				w.res.note("%s: the forwards asked for did not come within %v", s.URL, set.Duration)
			}
			return true, nil
		case <-time.After(100 * time.Millisecond):
		}
		busy, _, err := s.web.profiling(ctx)
		switch {
		case err == nil && !busy:
			return false, nil
		case err == nil:
			failures = 0
		case ctx.Err() == nil:
			if failures++; failures >= 5 {
				return false, err
			}
		}
	}
}

// stopProfile ends the window. A server that has ended it meanwhile refuses,
// which is as good.
func (s *Server) stopProfile(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	status, text, _, err := s.web.ask(ctx, time.Minute, http.MethodPost, "/stop_profile", []byte("{}"))
	if err == nil && status/100 == 2 {
		return nil
	}
	busy, _, statusErr := s.web.profiling(ctx)
	switch {
	case statusErr == nil && !busy:
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%s/stop_profile: HTTP status %d: %.200q", s.URL, status, text)
}

// take gets the capture that our own server hands over.
func (s *Server) take(ctx context.Context, res *Result, session string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	defer cancel()
	_, answer, err := s.web.profiling(ctx)
	if err != nil {
		return err
	}
	last, _ := answer["last"].(map[string]any)
	at, _ := last["capture"].(string)
	switch reason, _ := last["error"].(string); {
	case last["session"] != session:
		return fmt.Errorf("%s: the server's last window is %.60q, not %q: somebody else used its profiler", s.URL, fmt.Sprint(last["session"]), session)
	case reason != "":
		return fmt.Errorf("%s: the server could not write the capture: %.200q", s.URL, reason)
	case !strings.HasPrefix(at, "/profile_capture?"):
		return fmt.Errorf("%s: the server names no capture", s.URL)
	}
	host, _ := last["host"].(string)
	return s.download(ctx, res, at, host)
}

// download streams a capture to the disk.
func (s *Server) download(ctx context.Context, res *Result, at, host string) error {
	resp, err := s.web.request(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // a comfort
		return fmt.Errorf("%s%s: HTTP status %d: %.200q", s.URL, at, resp.StatusCode, text)
	}
	size := resp.ContentLength
	switch {
	case size < 0:
		return fmt.Errorf("%s%s: the answer has no length", s.URL, at)
	case size > s.target.MaxBytes:
		return fmt.Errorf("%s%s: a capture of %d bytes, wanted at most %d", s.URL, at, size, s.target.MaxBytes)
	}
	var sp space
	path, n, err := receive(res.Dir, func(f *os.File) (string, error) {
		return fileName(host) + ".xplane.pb", readSpace(io.TeeReader(io.LimitReader(resp.Body, size), f), size, &sp)
	})
	if err != nil {
		return fmt.Errorf("%s%s: %w", s.URL, at, err)
	}
	res.Hosts = sp.hosts
	res.Files = append(res.Files, File{Path: path, Host: host, Bytes: n})
	return nil
}

// errNoFiles is a directory in which no capture appeared.
var errNoFiles = errors.New("no capture appeared")
