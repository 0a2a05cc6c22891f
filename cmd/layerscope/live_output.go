// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/capture"
)

// captureSchema names the JSON form of a session's result.
const captureSchema = "layerscope.capture/v1"

type captureJSON struct {
	Schema   string            `json:"schema"`
	Tool     toolJSON          `json:"tool"`
	Servers  []serverJSON      `json:"servers"`
	Bundle   string            `json:"bundle"`
	Captures []takeJSON        `json:"captures"`
	Requests requestsJSON      `json:"requests"`
	Overhead *capture.Overhead `json:"overhead"`
	Verdict  string            `json:"verdict"`
	Findings []findingJSON     `json:"findings"`
	Pushed   string            `json:"pushed"`
}

type toolJSON struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type serverJSON struct {
	URL   string `json:"url"`
	Kind  string `json:"kind"`
	Model string `json:"model"`
	Note  string `json:"note"`
}

type takeJSON struct {
	Session  string   `json:"session"`
	Hosts    []string `json:"hosts"`
	Files    int      `json:"files"`
	Bytes    int64    `json:"bytes"`
	WindowNS int64    `json:"window_ns"`
	Early    bool     `json:"early"`
	Empty    bool     `json:"empty"`
	Steps    int      `json:"steps"`
	Layers   int      `json:"layers"`
	Changed  []string `json:"changed"`
	Notes    []string `json:"notes"`
}

type requestsJSON struct {
	Sent   int   `json:"sent"`
	Failed int   `json:"failed"`
	Warmup int   `json:"warmup"`
	P50NS  int64 `json:"p50_ns"`
	P99NS  int64 `json:"p99_ns"`
}

type findingJSON struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Count    int64  `json:"count"`
	Hint     string `json:"hint"`
}

// result is what a session came to.
func (l *live) result(out, pushed string) *captureJSON {
	r := &captureJSON{
		Schema: captureSchema, Tool: toolJSON{"layerscope", toolVersion()}, Bundle: out, Pushed: pushed, Overhead: l.overhead,
		Servers: []serverJSON{}, Captures: []takeJSON{}, Findings: []findingJSON{}, Verdict: l.verdict(),
	}
	for _, s := range l.servers {
		model, _ := s.Info["model_path"].(string)
		r.Servers = append(r.Servers, serverJSON{s.URL, string(s.Kind), model, s.Note})
	}
	var calls []capture.Call
	for _, t := range l.takes {
		calls = append(calls, t.Calls...)
		r.Captures = append(r.Captures, t.json())
		for _, f := range t.findings {
			r.Findings = append(r.Findings, findingJSON{f.Code, string(f.Severity), f.Message, f.Count, f.Hint})
		}
	}
	p50, n := capture.Latency(calls, 0.5)
	p99, _ := capture.Latency(calls, 0.99)
	r.Requests = requestsJSON{Sent: len(calls), Failed: len(calls) - n, Warmup: len(l.warm), P50NS: int64(p50), P99NS: int64(p99)}
	return r
}

func (t *take) json() takeJSON {
	out := takeJSON{Hosts: []string{}, Changed: append([]string{}, t.Changed...), Notes: []string{}}
	for _, r := range t.Results {
		out.Session = first(out.Session, r.Session)
		out.Hosts = append(out.Hosts, r.Hosts...)
		out.Notes = append(out.Notes, r.Notes...)
		out.Files += len(r.Files)
		for _, f := range r.Files {
			out.Bytes += f.Bytes
		}
		out.WindowNS = max(out.WindowNS, int64(r.End.Sub(r.Begin)))
		out.Early = out.Early || r.Early
		out.Empty = out.Empty || r.Empty
	}
	for _, an := range t.analyses {
		out.Steps += an.Capture.StepCount
		out.Layers = max(out.Layers, an.Layers.Count)
	}
	return out
}

// verdict is the worst finding of all takes: error, warning or ok.
func (l *live) verdict() string {
	v := "ok"
	for _, t := range l.takes {
		if t.count(trace.Error) > 0 {
			return string(trace.Error)
		}
		if t.count(trace.Warning) > 0 {
			v = string(trace.Warning)
		}
	}
	return v
}

// report prints the result, sets the exit code and suggests what comes next.
func (l *live) report(out, pushed string) error {
	v := l.verdict()
	if v == "error" || v == "warning" && l.f.strict {
		l.a.code = exitUntrusted
	}
	if l.f.format == "json" {
		enc := json.NewEncoder(l.a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(l.result(out, pushed))
	}
	if _, err := fmt.Fprintln(l.a.stdout, out); err != nil {
		return err
	}
	l.a.next("layerscope report "+quoted(out), "layerscope check "+quoted(out), "layerscope view "+quoted(out))
	return nil
}

// overheadText says what the profiler costs: the ratio beside its doubt.
func overheadText(o *capture.Overhead) string {
	s := fmt.Sprintf("overhead of profiling: request latency × %.3f", o.Median)
	if o.Confidence > 0 {
		s += fmt.Sprintf(" [%.3f, %.3f] at %.1f %%", o.Lo, o.Hi, 100*o.Confidence)
	} else {
		s += fmt.Sprintf(", no interval: %d more pairs are needed", o.Need)
	}
	return s + fmt.Sprintf(", median of %d interleaved pairs of %s (%v with, %v without)", o.N, plural(o.Requests, "request"),
		time.Duration(o.On).Round(time.Microsecond), time.Duration(o.Off).Round(time.Microsecond))
}
