// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// A Kind is how a server's profiler is spoken to.
type Kind string

// The kinds of servers.
const (
	JAX        Kind = "jax"        // ProfilerService of jax.profiler.start_server
	SGLang     Kind = "sglang"     // /start_profile; files on the server's side
	Layerscope Kind = "layerscope" // ours: /start_profile, and the capture is handed over
)

// A Target is a server to take captures of.
type Target struct {
	// URL is http://HOST:PORT, or HOST:PORT of a JAX profiler.
	URL string
	// Kind is found out when it is "".
	Kind Kind
	// Key is the bearer key that the server's HTTP endpoints want.
	Key string
	// MaxBytes bounds each file of a capture; 0 = 2 GiB, the most that readers
	// of the format can take.
	MaxBytes int64
	// Log gets a line now and then for people; nil = nobody.
	Log func(format string, args ...any)
}

// ErrBusy is what a server's answer wraps while another window is open.
var ErrBusy = errors.New("another profiling session is active")

// A Server is a live server whose profiler can be used by one caller at a time.
type Server struct {
	Kind Kind
	URL  string
	// Info is what the server says of itself, nil of a JAX profiler, which says
	// nothing.
	Info map[string]any
	// Note says what was noticed on the way, such as that the server is an old
	// one.
	Note string

	target Target
	rpc    *rpc // of a JAX profiler
	web    *web // of the others

	slack time.Duration // a window's call may take so much longer than the window and a tenth
	grace time.Duration // a window that was told to end may take so long
}

// Dial finds a server and how to speak to it. Nothing is captured.
func Dial(ctx context.Context, t Target) (*Server, error) {
	if t.MaxBytes <= 0 {
		t.MaxBytes = 2 << 30
	}
	if t.Log == nil {
		t.Log = func(string, ...any) {}
	}
	u, err := parseURL(t.URL)
	if err != nil {
		return nil, err
	}
	s := &Server{URL: strings.TrimSuffix(u.String(), "/"), target: t, slack: 30 * time.Second, grace: 20 * time.Second}
	var failures []error
	if kind := t.Kind; kind != JAX && u.Scheme != "grpc" {
		s.web = newWeb(s.URL, t.Key)
		if s.Kind, s.Info, err = s.web.identify(ctx); err == nil {
			if kind != "" {
				s.Kind = kind
			}
			return s, nil
		}
		failures = append(failures, err)
		s.web.close()
		s.web = nil
	}
	if t.Kind == "" || t.Kind == JAX {
		s.Kind, s.URL, s.rpc = JAX, u.Host, newRPC(u.Host)
		if s.Note, err = s.probe(ctx); err == nil {
			return s, nil
		}
		s.rpc.close()
		failures = append(failures, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(failures) == 2 && refusal(failures[0]) == refusal(failures[1]) && refusal(failures[0]) != "" {
		failures = failures[1:] // nobody is there, which need not be said twice
	}
	if len(failures) == 2 {
		return nil, fmt.Errorf("%s: no profiler of a server was found: %w; %w", t.URL, failures[0], failures[1])
	}
	return nil, fmt.Errorf("%s: no profiler of a server was found: %w", t.URL, errors.Join(failures...))
}

// refusal is what the dialler says when it comes to no connection, or nothing.
func refusal(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return op.Error()
	}
	return ""
}

// Close lets connections go.
func (s *Server) Close() {
	if s.rpc != nil {
		s.rpc.close()
	}
	if s.web != nil {
		s.web.close()
	}
}

func parseURL(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "grpc":
		return nil, fmt.Errorf("%s: scheme %q, wanted http, https or grpc", text, u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%s: no host", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s: wanted scheme, host and port alone", u.Redacted())
	}
	return u, nil
}

// local says whether the server runs on this machine, as far as its address
// shows.
func (s *Server) local() bool {
	host := s.URL
	if u, err := parseURL(s.URL); err == nil {
		host = u.Hostname()
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Settings of a window.
type Settings struct {
	// Dir is the local directory that gets the capture, as JAX lays it out:
	// plugins/profile/SESSION/HOST.xplane.pb.
	Dir string
	// Session names the window, for the server and in paths; "" = made from the
	// time, unique.
	Session string
	// Duration ends the window by itself; 0 = 1 s, or no such end where Steps
	// is set.
	Duration time.Duration
	// Steps ends the window after so many forwards; sglang-style servers only.
	// It is what is captured: that such servers stop one short is made good.
	Steps int
	// StartStep begins the window at the server's forward of that number;
	// sglang-style servers only. 0 = now.
	StartStep int
	// HostTracer is 1-3, DeviceTracer 1-2, PythonTracer 1; negative ones are
	// off. Zero is the default: 2, 1 and off. The device's level goes to
	// sglang-style servers only where it isn't zero: few know it.
	HostTracer, DeviceTracer, PythonTracer int
	// NoHLO leaves the programs' HLO out of a JAX capture; on CPU there are no
	// layers without.
	NoHLO bool
	// ByStage asks an sglang-style server for prefill and decode apart, Stages
	// for some of them. Each becomes a directory.
	ByStage bool
	Stages  []string
	// Start opens a JAX window at that time, on the server's clock; zero = now.
	// It makes the windows of several hosts one.
	Start time.Time
	// Continuous takes a snapshot of continuous profiling at the end of the
	// window instead, which it starts and stops where it doesn't run; JAX only.
	Continuous bool
	// ServerDir is where the server may write, a path on its side or gs://: all
	// captures of sglang-style servers, and those of old JAX servers. "" = a
	// temporary directory, for servers on this machine.
	ServerDir string
	// LocalDir is where ServerDir is found on this machine; "" = the same path.
	LocalDir string
	// Fetch copies a directory that has no local path (gs://…) into a local
	// one; nil = such files are left alone.
	Fetch func(ctx context.Context, from, to string) error
	// Busy is how long to wait for a profiler that others use; 0 = not at all.
	Busy time.Duration
	// Settle is how long files may take to be written, in the end; 0 = 60 s.
	Settle time.Duration

	discard bool // the capture is not wanted
}

// A File is one file of a capture.
type File struct {
	Path  string // on this machine
	Host  string
	Stage string // "prefill", "decode" of sglang-style servers, or ""
	Bytes int64
}

// A Result is a closed window. Its files are whole as far as can be seen without
// reading them.
type Result struct {
	Session string
	// Dir is the profile directory that holds the files.
	Dir   string
	Files []File
	// Begin and End are by this machine's clock.
	Begin, End time.Time
	// Empty says that the server saw no events: it was idle, or traced nothing.
	Empty bool
	// Early says that the window was ended before its time.
	Early bool
	// ServerPath is where the server kept the capture when it didn't come here.
	ServerPath string
	// Hosts are those that the captures name.
	Hosts []string
	// Config is what the server was asked for, to be kept beside the capture.
	Config map[string]any
	Notes  []string
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}
