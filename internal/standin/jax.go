// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// A JAX is the ProfilerService of a JAX process, as jaxlib 0.10.2 has it.
type JAX struct {
	// Space is the XSpace of a capture.
	Space []byte
	// Idle is a process that does nothing: no events, but the programs' HLO.
	Idle bool
	// Old servers know no emit_xspace: they write below the root on their side
	// and answer nothing; nor have they continuous profiling.
	Old bool
	// OlderNames are those of continuous profiling before they were changed.
	OlderNames bool
	// Collect is how long a capture takes to be put together.
	Collect time.Duration

	mu         sync.Mutex
	running    string // session id of the Profile under way
	active     bool
	continuous bool
	stop       chan struct{}
	requests   []Request
	terminated []string
}

// A Request is a ProfileRequest that came.
type Request struct {
	Method                                 string
	OuterMS, DurationMS, StartNS           uint64
	HostTracer, DeviceTracer, PythonTracer int // -1: not sent
	Version                                uint64
	HLO, EmitXSpace                        bool
	Root, Session, Host                    string
	Timeout                                string // the grpc-timeout header
}

// Start serves on a free port until the test ends, and returns HOST:PORT.
func (j *JAX) Start(tb testing.TB) string { return serveH2C(tb, j) }

func serveH2C(tb testing.TB, h http.Handler) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: h, Protocols: &p, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with Close
	}()
	tb.Cleanup(func() {
		_ = s.Close() // the listener is gone either way
		<-done
	})
	return l.Addr().String()
}

// Requests returns the requests that came so far.
func (j *JAX) Requests() []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Request(nil), j.requests...)
}

// Terminated returns the sessions that clients wanted to end.
func (j *JAX) Terminated() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.terminated...)
}

// Occupy makes the profiler busy, as an in-process start_trace does, until the
// function it returns is called.
func (j *JAX) Occupy() (release func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.active = true
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.active = false
	}
}

// A status is an answer that is not OK.
type status struct {
	code int
	text string
}

const busyText = "Another profiling session active."

// ServeHTTP answers one call.
func (j *JAX) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, ok := strings.CutPrefix(r.URL.Path, "/tensorflow.ProfilerService/")
	var head [5]byte
	if _, err := io.ReadFull(r.Body, head[:]); err != nil || !ok {
		Answer(w, nil, 12, "")
		return
	}
	message, err := io.ReadAll(io.LimitReader(r.Body, int64(binary.BigEndian.Uint32(head[1:]))))
	if err != nil {
		return
	}
	req, err := parse(message)
	if err != nil {
		Answer(w, nil, 13, "")
		return
	}
	req.Method, req.Timeout = method, r.Header.Get("Grpc-Timeout")
	if j.OlderNames {
		switch method {
		case "ContinuousProfiling":
			method = "StartContinuousProfiling"
		case "GetSnapShot":
			method = "GetSnapshot"
		case "StartContinuousProfiling", "GetSnapshot":
			method = "none"
		}
	}
	var out []byte
	var st status
	switch {
	case method == "Profile":
		out, st = j.profile(r, req)
	case method == "Terminate":
		j.terminate(req.terminated())
	case j.Old || j.OlderNames && method == "none":
		st = status{12, ""}
	case method == "StartContinuousProfiling":
		st = j.startContinuous()
	case method == "GetSnapshot":
		out, st = j.snapshot()
	case method == "StopContinuousProfiling":
		st = j.stopContinuous()
	default:
		st = status{12, ""}
		if method == "Monitor" {
			st.text = "unimplemented."
		}
	}
	Answer(w, out, st.code, st.text)
}

// Answer writes a unary reply; with a status other than 0 there is no message.
func Answer(w http.ResponseWriter, message []byte, code int, text string) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	if code == 0 {
		head := make([]byte, 5)
		binary.BigEndian.PutUint32(head[1:], uint32(len(message)))
		_, _ = w.Write(append(head, message...)) // the client may have gone
	}
	w.Header().Set("Grpc-Status", strconv.Itoa(code))
	if text != "" {
		w.Header().Set("Grpc-Message", url.PathEscape(text))
	}
}

// begin takes the profiler, which serves one session at a time.
func (j *JAX) begin(req Request) (stop chan struct{}, busy bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.requests = append(j.requests, req)
	if j.active || j.continuous {
		return nil, true
	}
	j.active, j.running, j.stop = true, req.Session, make(chan struct{})
	return j.stop, false
}

// profile is one session. The window is opts.duration_ms; the outer duration_ms
// means nothing.
func (j *JAX) profile(r *http.Request, req Request) ([]byte, status) {
	stop, busy := j.begin(req)
	if busy {
		return nil, status{13, busyText}
	}
	defer func() {
		j.mu.Lock()
		j.active, j.running = false, ""
		j.mu.Unlock()
	}()
	if at := time.Unix(0, int64(req.StartNS)); req.StartNS > 0 {
		time.Sleep(time.Until(at))
	}
	select {
	case <-time.After(time.Duration(req.DurationMS) * time.Millisecond):
	case <-stop:
	case <-r.Context().Done():
		return nil, status{1, "cancelled"}
	}
	time.Sleep(j.Collect)
	events := req.DurationMS > 0 && req.HostTracer != 0 && !j.Idle
	if j.Old || !req.EmitXSpace {
		if st := j.write(req); st.code != 0 {
			return nil, st
		}
		return nil, status{}
	}
	// A root that can't be made is noticed once all is over.
	if strings.HasPrefix(req.Root, "/proc/") {
		return nil, status{13, req.Root + "; No such file or directory"}
	}
	var out []byte
	if !events {
		out = protowire.AppendVarint(protowire.AppendTag(out, 7, protowire.VarintType), 1)
	}
	return append(out, xspaceField(part(j.Space, events, req.HLO))...), status{}
}

// write is how servers keep captures that nobody wants in the reply.
func (j *JAX) write(req Request) status {
	dir := filepath.Join(req.Root, req.Session)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return status{13, dir + "; No such file or directory"}
	}
	name := strings.ReplaceAll(req.Host, ":", "_") + ".xplane.pb"
	if err := os.WriteFile(filepath.Join(dir, name), part(j.Space, true, req.HLO), 0o644); err != nil {
		return status{13, err.Error()}
	}
	return status{}
}

func (j *JAX) terminate(session string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.terminated = append(j.terminated, session)
	if j.active && j.stop != nil && session == j.running {
		close(j.stop)
		j.stop = nil
	}
}

func (j *JAX) startContinuous() status {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.continuous:
		return status{6, "A profiling session is already running."}
	case j.active:
		return status{13, busyText}
	}
	j.continuous = true
	return status{}
}

func (j *JAX) snapshot() ([]byte, status) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.continuous {
		return nil, status{5, "No continuous profiling session found."}
	}
	return xspaceField(j.Space), status{}
}

func (j *JAX) stopContinuous() status {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.continuous {
		return status{5, "No continuous profiling session found."}
	}
	j.continuous = false
	return status{}
}
