// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"context"
	"runtime/pprof"
	rtrace "runtime/trace"
)

// A mirror shows the spans of a lane to the Go tools too: outermost ones as
// tasks of runtime/trace, all as regions in them, and as a pprof label. It costs
// far more than a span.
type mirror struct {
	regions, labels bool
	open            []mirrored
}

type mirrored struct {
	task   *rtrace.Task   // nil but for an outermost span of a trace
	region *rtrace.Region // nil when no trace is taken
	ctx    context.Context
	path   string
}

func newMirror(opts RecorderOptions) *mirror {
	return &mirror{regions: opts.RuntimeTrace, labels: opts.Labels}
}

func (m *mirror) begin(id NameID) {
	parent := mirrored{ctx: context.Background()}
	if n := len(m.open); n > 0 {
		parent = m.open[n-1]
	}
	name := id.String()
	e := mirrored{ctx: parent.ctx, path: name}
	if m.regions && rtrace.IsEnabled() {
		if len(m.open) == 0 {
			e.ctx, e.task = rtrace.NewTask(e.ctx, name)
		}
		e.region = rtrace.StartRegion(e.ctx, name)
	}
	if m.labels {
		if parent.path != "" {
			e.path = parent.path + "/" + name
		}
		e.ctx = pprof.WithLabels(e.ctx, pprof.Labels("span", e.path))
		pprof.SetGoroutineLabels(e.ctx)
	}
	m.open = append(m.open, e)
}

func (m *mirror) end() {
	n := len(m.open) - 1
	if n < 0 {
		return
	}
	e := m.open[n]
	m.open = m.open[:n]
	if e.region != nil {
		e.region.End()
	}
	if e.task != nil {
		e.task.End()
	}
	if !m.labels {
		return
	}
	ctx := context.Background()
	if n > 0 {
		ctx = m.open[n-1].ctx
	}
	pprof.SetGoroutineLabels(ctx)
}
