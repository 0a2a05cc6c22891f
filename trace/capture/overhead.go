// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
)

// Overhead is what a server's profiler costs its requests.
type Overhead struct {
	Ratio
	// Requests of each side of a pair.
	Requests int `json:"requests"`
	// On and Off are the medians of the blocks' medians, in nanoseconds.
	On  int64 `json:"on_ns"`
	Off int64 `json:"off_ns"`
}

// MeasureOverhead sends blocks of requests with and without the profiler, in
// interleaved order, and compares the median latencies of each pair of blocks.
// The captures are thrown away. The load should be warm.
func (s *Server) MeasureOverhead(ctx context.Context, set Settings, l *Load, pairs, requests int) (Overhead, error) {
	out := Overhead{Requests: requests}
	set.Steps, set.StartStep, set.ByStage, set.Continuous = 0, 0, false, false
	if set.Duration = maxBlock; s.Kind == SGLang && set.ServerDir == "" && !s.local() {
		return out, errors.New("the server writes captures on its own side; name a directory there")
	}
	var ratios []float64
	var on, off []Call
	for pair := range pairs {
		var medians [2]float64 // off, on
		for _, profiled := range interleave(pair) {
			calls, err := s.block(ctx, set, l, requests, profiled)
			if err != nil {
				return out, err
			}
			m := medianLatency(calls)
			if math.IsNaN(m) {
				return out, fmt.Errorf("no request of %d brought scores: %s", len(calls), firstFailure(calls))
			}
			if profiled {
				medians[1] = m
				on = append(on, calls...)
			} else {
				medians[0] = m
				off = append(off, calls...)
			}
		}
		ratios = append(ratios, medians[1]/medians[0])
	}
	a, _ := Latency(on, 0.5)
	b, _ := Latency(off, 0.5)
	out.Ratio, out.On, out.Off = MedianRatio(ratios), int64(a), int64(b)
	return out, nil
}

// maxBlock bounds the window of a block: it is ended when its requests are done.
const maxBlock = 5 * 60 * 1e9

// block sends requests, in a window where profiled.
func (s *Server) block(ctx context.Context, set Settings, l *Load, requests int, profiled bool) ([]Call, error) {
	if !profiled {
		calls := l.Run(ctx, requests, nil)
		return calls, ctx.Err()
	}
	dir, err := os.MkdirTemp("", "layerscope-overhead-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	set.Dir, set.Session, set.discard = dir, "", true
	w, err := s.Open(ctx, set)
	if err != nil {
		return nil, err
	}
	calls := l.Run(ctx, requests, w.Closed())
	w.Stop()
	_, err = w.Wait(ctx)
	return calls, errors.Join(err, ctx.Err())
}

func firstFailure(calls []Call) string {
	for i := range calls {
		if calls[i].Failed() {
			return calls[i].Err
		}
	}
	return "none failed"
}
