// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/layerscope/layerscope/trace/capture"
)

// maxRetryWindow bounds the windows that are made longer of our own accord.
const maxRetryWindow = 30 * time.Second

// takeGood captures until a take says what it should, or nothing can be done
// better, or the tries are used up; the best one is kept.
func (l *live) takeGood(ctx context.Context, dir string, set capture.Settings, d drive) (*take, error) {
	var best *take
	var changed []string
	for try := 1; ; try++ {
		if err := l.warmUp(ctx, d.warmup); err != nil {
			return best, err
		}
		t, err := l.window(ctx, filepath.Join(dir, fmt.Sprintf("try-%d", try)), set, d)
		if err != nil {
			return best, err
		}
		t.Changed = changed
		if err := l.verify(context.WithoutCancel(ctx), t, d.expect); err != nil {
			return best, err
		}
		if best == nil || t.better(best) {
			best = t
		}
		if ctx.Err() != nil {
			return best, ctx.Err()
		}
		if try >= l.f.tries {
			break
		}
		if changed = l.improve(t, &set, &d); len(changed) == 0 {
			break
		}
		l.say("again", "try %d of %d: %s", try+1, l.f.tries, strings.Join(changed, "; "))
	}
	return best, nil
}

// improve changes the settings so that what was found should not be found again,
// and says what it changed; nothing when there is nothing to gain.
func (l *live) improve(t *take, set *capture.Settings, d *drive) (changed []string) {
	change := func(format string, args ...any) { changed = append(changed, fmt.Sprintf(format, args...)) }
	jax := l.kind() == capture.JAX
	if t.has("no-device-events") {
		if set.HostTracer < 0 {
			set.HostTracer = 0
			change("host tracer level 0 → 2")
		}
		if set.DeviceTracer <= 0 {
			if set.DeviceTracer < 0 || l.kind() == capture.SGLang {
				set.DeviceTracer = 1
				change("device tracer level 1 is asked for")
			}
		}
		if set.Steps == 0 && d.requests == 0 && set.Duration < maxRetryWindow {
			longer := min(4*set.Duration, maxRetryWindow)
			change("window %v → %v", set.Duration, longer)
			set.Duration = longer
		}
		if d.requests > 0 && len(changed) == 0 {
			change("%d requests → %d", d.requests, 2*d.requests)
			d.requests *= 2
		}
	}
	if t.has("no-layers", "missing-hlo") && jax && set.NoHLO {
		set.NoHLO = false
		change("with the programs' HLO")
	}
	if t.has("event-cap") && set.PythonTracer > 0 {
		set.PythonTracer = 0
		change("no Python calls")
	}
	if t.has("truncated", "too-many-steps") && set.Steps == 0 && d.requests == 0 && set.Duration > 200*time.Millisecond {
		change("window %v → %v", set.Duration, set.Duration/2)
		set.Duration /= 2
	}
	if t.has("compile-in-window", "cold-requests") && l.load != nil {
		d.warmup = max(2, 2*d.warmup)
		change("%s of warm-up", plural(d.warmup, "round"))
	}
	if t.has("few-executions") && set.Steps > 0 {
		got := 0
		for _, an := range t.analyses {
			for _, p := range an.Programs {
				got = max(got, p.Executions)
			}
		}
		if missing := d.expect - got; missing > 0 {
			change("%d forwards → %d", set.Steps, set.Steps+missing)
			set.Steps += missing
		}
	}
	return changed
}

// keepTake moves a take's files to where they stay until the bundle is made, and
// drops the other tries.
func keepTake(t *take, from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if len(t.Dirs) == 0 {
		return os.RemoveAll(from)
	}
	// A take's directories are below one try-N of its own.
	rel, err := filepath.Rel(from, t.Dirs[0])
	if err != nil {
		return err
	}
	try, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	old := filepath.Join(from, try)
	if err := os.Rename(old, to); err != nil {
		return err
	}
	for i, dir := range t.Dirs {
		t.Dirs[i] = filepath.Join(to, strings.TrimPrefix(dir, old))
	}
	return os.RemoveAll(from)
}
