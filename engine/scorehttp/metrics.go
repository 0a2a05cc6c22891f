// SPDX-License-Identifier: Apache-2.0

package scorehttp

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// latencyBounds are the upper bounds of the latency histogram, in seconds.
var latencyBounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// metrics counts what the server does, in Prometheus' terms.
type metrics struct {
	mu      sync.Mutex
	answers map[string]int64 // by path and status
	latency [len(latencyBounds) + 1]int64
	sum     float64
	n       int64

	items, tokens, padded, misses int64
}

// paths are those with a counter of their own; all others are one.
var paths = []string{"/v1/score", "/v1/models", "/health", "/healthz", "/readyz", "/get_server_info", "/metrics", "/start_profile", "/stop_profile", "/profile_status", "/profile_capture", "/memory_profile"}

func (m *metrics) count(path string, status int, d time.Duration) {
	if !slices.Contains(paths, path) {
		path = "other"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answers == nil {
		m.answers = make(map[string]int64)
	}
	m.answers[fmt.Sprintf(`path="%s",status="%d"`, path, status)]++
	if path != "/v1/score" {
		return
	}
	i := 0
	for i < len(latencyBounds) && d.Seconds() > latencyBounds[i] {
		i++
	}
	m.latency[i]++
	m.sum += d.Seconds()
	m.n++
}

func (m *metrics) scored(items, tokens, padded, misses int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.items += int64(items)
	m.tokens += int64(tokens)
	m.padded += int64(padded)
	m.misses += int64(misses)
}

// writeMetrics answers GET /metrics in the text exposition format.
func (s *Server) writeMetrics(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	metric := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	m := &s.metrics
	m.mu.Lock()
	metric("layerscope_http_requests_total", "counter", "Answers by path and status.")
	for _, labels := range slices.Sorted(maps.Keys(m.answers)) {
		fmt.Fprintf(&b, "layerscope_http_requests_total{%s} %d\n", labels, m.answers[labels])
	}
	metric("layerscope_score_seconds", "histogram", "Time of scoring requests, waiting included.")
	sum := int64(0)
	for i, bound := range latencyBounds {
		sum += m.latency[i]
		fmt.Fprintf(&b, "layerscope_score_seconds_bucket{le=\"%g\"} %d\n", bound, sum)
	}
	fmt.Fprintf(&b, "layerscope_score_seconds_bucket{le=\"+Inf\"} %d\nlayerscope_score_seconds_sum %g\nlayerscope_score_seconds_count %d\n", m.n, m.sum, m.n)
	for _, c := range []struct {
		name, help string
		v          int64
	}{
		{"layerscope_items_total", "Items scored.", m.items}, {"layerscope_tokens_total", "Tokens computed, without padding.", m.tokens},
		{"layerscope_padded_tokens_total", "Tokens computed, with padding.", m.padded}, {"layerscope_compile_misses_total", "Programs made.", m.misses},
	} {
		metric(c.name, "counter", c.help)
		fmt.Fprintf(&b, "%s %d\n", c.name, c.v)
	}
	m.mu.Unlock()
	in := s.e.Info()
	for _, g := range []struct {
		name, help string
		v          int64
	}{
		{"layerscope_queue_length", "Requests waiting or running.", s.waiting.Load()}, {"layerscope_bytes_in_use", "Device memory in use.", in.BytesInUse},
		{"layerscope_peak_bytes_in_use", "Largest device memory in use.", in.PeakBytesInUse},
	} {
		metric(g.name, "gauge", g.help)
		fmt.Fprintf(&b, "%s %d\n", g.name, g.v)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // the client may have gone
}
