// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/trace/capture"
)

// keep makes the bundle of a session and checks it.
func (l *live) keep(ctx context.Context, out string, commands []string) error {
	l.say("bundle", "%s", out)
	f := bundleFlags{output: out, commands: commands, commit: l.f.commit, branch: l.f.branch, trigger: l.f.trigger, plain: l.f.plain, model: l.model, pages: true, runs: len(l.takes), key: l.f.key}
	if w, ok := l.plan.(*workload); ok {
		f.profile = w.Name
	}
	f.backup = l.backup
	var args []string
	for _, t := range l.takes {
		args = append(args, t.Dirs...)
	}
	if len(args) == 0 {
		return &hintedError{fmt.Errorf("%s: nothing to keep: no capture came back", out), "the notes above say where the server keeps it"}
	}
	if err := l.writeInputs(&f); err != nil {
		return err
	}
	quiet := *l.a
	quiet.stdout = io.Discard
	if l.f.plain {
		quiet.quiet = true
	}
	in := inputFlags{clock: "device", steps: "all", damaged: true}
	err := quiet.runBundleCreate(ctx, args, &in, &f)
	if errors.Is(err, bundle.ErrSecrets) { // a session isn't thrown away for that
		l.say("bundle", "a capture holds what looks like a token: it, and names, are overwritten in the copy; revoke it")
		f.redact = true
		err = quiet.runBundleCreate(ctx, args, &in, &f)
	}
	if err != nil {
		return err
	}
	v, err := bundle.Verify(out)
	if err != nil {
		return err
	}
	if !v.OK() {
		return fmt.Errorf("%s: does not verify once made", out)
	}
	return nil
}

// writeInputs writes the session's own files, which go into the bundle.
func (l *live) writeInputs(f *bundleFlags) error {
	dir := filepath.Join(l.work, "inputs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	add := func(name string, v any) error {
		text, ok := v.([]byte)
		if !ok {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			text = b.Bytes()
		}
		path := filepath.Join(dir, name)
		f.inputs = append(f.inputs, path)
		return os.WriteFile(path, text, 0o666)
	}
	if err := add("profile_config.json", l.config()); err != nil {
		return err
	}
	if l.load != nil {
		if err := l.writeLoad(add); err != nil {
			return err
		}
	}
	for i, s := range l.servers {
		name := "server_info.json"
		if i > 0 {
			name = fmt.Sprintf("server_info-%d.json", i+1)
		}
		if err := add(name, map[string]any{"url": s.URL, "kind": s.Kind, "note": s.Note, "info": s.Info}); err != nil {
			return err
		}
	}
	if l.overhead != nil {
		if err := add("overhead.json", l.overhead); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"session.log": l.log.String(), "client.log": l.clientLog()} {
		path := filepath.Join(l.work, name)
		f.logs = append(f.logs, path)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			return err
		}
	}
	slices.Sort(f.logs)
	return nil
}

// clientLog has a line for each request that was sent to a server, as an access
// log of the other side would.
func (l *live) clientLog() string {
	type line struct {
		at   time.Time
		text string
	}
	var all []line
	calls := func(cs []capture.Call, what string) {
		for _, c := range cs {
			text := fmt.Sprintf("POST /v1/score %d %v %s %s", c.Status, c.Latency.Round(time.Microsecond), c.ID, what)
			if c.Failed() {
				text += ": " + term.Safe(c.Err)
			}
			all = append(all, line{c.Begin, text})
		}
	}
	calls(l.warm, "warm-up")
	for _, t := range l.takes {
		calls(t.Calls, "window")
		for i, r := range t.Results {
			if begin, end := "POST /start_profile", "POST /stop_profile"; i < len(l.servers) && l.servers[i].Kind != capture.JAX {
				all = append(all, line{r.Begin, begin + " " + r.Session}, line{r.End, end + " " + r.Session})
			} else {
				all = append(all, line{r.Begin, "ProfilerService/Profile " + r.Session})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b line) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, l := range all {
		b.WriteString(l.at.UTC().Format("2006-01-02T15:04:05.000Z ") + l.text + "\n")
	}
	return b.String()
}

func (l *live) writeLoad(add func(string, any) error) error {
	if err := add("score_request.json", requestsText(l.load.Bodies)); err != nil {
		return err
	}
	if len(l.warm) > 0 { // the same requests; the file says so by being there
		if err := add("warmup_request.json", requestsText(l.load.Bodies)); err != nil {
			return err
		}
	}
	var calls []capture.Call
	for _, t := range l.takes {
		calls = append(calls, t.Calls...)
	}
	return add("load.json", map[string]any{"url": l.load.URL, "concurrency": l.load.Concurrency, "names": l.names, "warmup": notNilCalls(l.warm), "calls": notNilCalls(calls)})
}

func notNilCalls(c []capture.Call) []capture.Call {
	if c == nil {
		return []capture.Call{}
	}
	return c
}

// requestsText is a request a line, or one alone as it is.
func requestsText(bodies [][]byte) []byte {
	return append(bytes.Join(bodies, []byte("\n")), '\n')
}

// config is what the profilers were asked for. Where a number of forwards was
// asked for, it is the number that should be there, not the one that was sent.
func (l *live) config() map[string]any {
	out := map[string]any{}
	for _, t := range l.takes {
		for _, r := range t.Results {
			for k, v := range r.Config {
				out[k] = v
			}
			out["window_ms"] = float64(r.End.Sub(r.Begin).Microseconds()) / 1000
			if r.Early {
				out["ended_early"] = true
			}
		}
	}
	if l.plan != nil {
		out["workload"] = l.plan
	}
	if n, ok := out["num_steps"]; ok {
		out["num_steps_sent"] = n
		out["num_steps"] = l.takes[len(l.takes)-1].asked
	}
	return out
}

// runName is the default name of a bundle: <UTC>_score_<model>_<hardware>.
func (l *live) runName() string {
	hardware := ""
	if len(l.takes) > 0 {
		for _, an := range l.takes[len(l.takes)-1].analyses {
			hardware = first(hardware, devicesOf(an))
		}
	}
	model := l.model
	if _, base, ok := cutLast(strings.TrimRight(model, "/"), "/"); ok {
		model = base
	}
	parts := []string{l.a.now().UTC().Format("20060102T150405Z"), "score"}
	for _, p := range []string{model, hardware} {
		if p = slug(p); p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "_")
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// slug keeps what may stand in a name: small letters, digits, - and _.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r == '.':
			return 'p'
		case r == ' ' || r == '/':
			return '_'
		}
		return -1
	}, strings.ToLower(strings.NewReplacer("×", "x", "+", " ").Replace(s)))
	s = strings.Trim(strings.Join(slices.DeleteFunc(strings.Split(s, "_"), func(p string) bool { return p == "" }), "_"), "-_")
	return s[:min(len(s), 60)]
}
