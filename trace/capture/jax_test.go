// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layerscope/layerscope/internal/standin"
	"github.com/layerscope/layerscope/internal/tracetest"
)

// realSpace is a capture of a JAX process on a CPU.
var realSpace = sync.OnceValue(func() []byte {
	f, err := os.Open(filepath.Join("..", "..", "testdata", "captures", "base_a.xplane.pb.gz"))
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return b
})

// lines collects what is said to people.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func dial(t *testing.T, target Target) *Server {
	t.Helper()
	s, err := Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func captured(t *testing.T, s *Server, set Settings) *Result {
	t.Helper()
	if set.Dir == "" {
		set.Dir = t.TempDir()
	}
	w, err := s.Open(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func content(t *testing.T, res *Result) []byte {
	t.Helper()
	if len(res.Files) != 1 {
		t.Fatalf("%d files, want one: %+v", len(res.Files), res)
	}
	b, err := os.ReadFile(res.Files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != res.Files[0].Bytes {
		t.Errorf("%d bytes, the result says %d", len(b), res.Files[0].Bytes)
	}
	return b
}

// TestJAXProfile: the capture of field 8 comes to the disk byte for byte, and the
// request says everything that the server would otherwise choose.
func TestJAXProfile(t *testing.T) {
	j := &standin.JAX{Space: realSpace()}
	s := dial(t, Target{URL: "http://" + j.Start(t)})
	if s.Kind != JAX || s.Note != "" {
		t.Errorf("kind %s, note %q", s.Kind, s.Note)
	}
	dir := t.TempDir()
	begin := time.Now()
	res := captured(t, s, Settings{Dir: dir, Duration: 150 * time.Millisecond})
	if took := time.Since(begin); took < 150*time.Millisecond {
		t.Errorf("a window of 150 ms took %v", took)
	}
	if !bytes.Equal(content(t, res), realSpace()) {
		t.Error("the file is not the capture")
	}
	if want := filepath.Join(dir, "plugins", "profile", res.Session); res.Dir != want || filepath.Dir(res.Files[0].Path) != want {
		t.Errorf("in %s, %s; want %s", res.Dir, res.Files[0].Path, want)
	}
	if res.Empty || res.Early || len(res.Hosts) != 1 || filepath.Base(res.Files[0].Path) != res.Hosts[0]+".xplane.pb" {
		t.Errorf("%+v", res)
	}
	got := j.Requests()
	if len(got) != 1 {
		t.Fatalf("requests %+v", got)
	}
	r := got[0]
	if r.DurationMS != 150 || r.HostTracer != 2 || r.DeviceTracer != 1 || r.PythonTracer != 0 || r.Version != 1 || !r.HLO || !r.EmitXSpace {
		t.Errorf("options %+v", r)
	}
	if r.Session != res.Session || r.Root == "" || r.Host == "" {
		t.Errorf("root, session and host are the fallback of old servers: %+v", r)
	}
	var deadline int
	if _, err := fmt.Sscanf(r.Timeout, "%dm", &deadline); err != nil || deadline < 30_100 || deadline > 30_165 {
		t.Errorf("deadline %q, want 30 s and 110 %% of the window", r.Timeout)
	}
	if again := captured(t, s, Settings{Duration: time.Millisecond}); again.Session == res.Session {
		t.Error("two sessions of one name: Terminate would hit both")
	}
}

// TestJAXLevels: level 0 is said, not left away; no HLO means no metadata plane.
func TestJAXLevels(t *testing.T) {
	j := &standin.JAX{Space: realSpace()}
	s := dial(t, Target{URL: j.Start(t)})
	res := captured(t, s, Settings{Duration: 10 * time.Millisecond, HostTracer: -1, DeviceTracer: -1, PythonTracer: 1})
	if r := j.Requests()[0]; r.HostTracer != 0 || r.DeviceTracer != 0 || r.PythonTracer != 1 {
		t.Errorf("levels %+v", r)
	}
	if !res.Empty {
		t.Error("host level 0 traces no events")
	}
	res = captured(t, s, Settings{Duration: 10 * time.Millisecond, NoHLO: true})
	if bytes.Contains(content(t, res), []byte("/host:metadata")) || res.Config["enable_hlo_proto"] != false {
		t.Errorf("HLO came unasked: %v", res.Config)
	}
}

// TestJAXIdle: a server without work is no failure.
func TestJAXIdle(t *testing.T) {
	j := &standin.JAX{Space: realSpace(), Idle: true}
	res := captured(t, dial(t, Target{URL: j.Start(t)}), Settings{Duration: 10 * time.Millisecond})
	if !res.Empty || len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "idle") {
		t.Errorf("%+v", res)
	}
	if b := content(t, res); len(b) == 0 || len(b) >= len(realSpace()) {
		t.Errorf("%d bytes, want the HLO alone", len(b))
	}
}

// TestJAXBusy: INTERNAL with a known text is "busy", whatever the code says.
func TestJAXBusy(t *testing.T) {
	j := &standin.JAX{Space: realSpace()}
	said := &lines{}
	s := dial(t, Target{URL: j.Start(t), Log: said.add})
	release := j.Occupy()
	if _, err := s.Open(t.Context(), Settings{Dir: t.TempDir()}); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "Another profiling session active.") {
		t.Fatalf("%v, want ErrBusy", err)
	}
	if said.String() != "" {
		t.Errorf("nobody asked to wait: %s", said)
	}
	time.AfterFunc(600*time.Millisecond, release)
	res := captured(t, s, Settings{Duration: 10 * time.Millisecond, Busy: 10 * time.Second})
	if len(res.Files) != 1 || !strings.Contains(said.String(), "busy; trying again") {
		t.Errorf("%+v, said %s", res, said)
	}
	release = j.Occupy()
	defer release()
	if _, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Busy: 300 * time.Millisecond}); !errors.Is(err, ErrBusy) {
		t.Errorf("%v, want ErrBusy in the end", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Open(ctx, Settings{Dir: t.TempDir(), Busy: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
}

// TestJAXEarly: an interrupt and Stop end the window by Terminate, with its own
// session, and keep what was captured.
func TestJAXEarly(t *testing.T) {
	for _, how := range []string{"interrupt", "stop"} {
		t.Run(how, func(t *testing.T) {
			j := &standin.JAX{Space: realSpace()}
			s := dial(t, Target{URL: j.Start(t)})
			w, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Duration: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if how == "stop" {
				w.Stop()
				w.Stop()
			} else {
				time.AfterFunc(50*time.Millisecond, cancel)
			}
			begin := time.Now()
			res, err := w.Wait(ctx)
			if err != nil || time.Since(begin) > 10*time.Second {
				t.Fatalf("%v after %v", err, time.Since(begin))
			}
			if !res.Early || !bytes.Equal(content(t, res), realSpace()) {
				t.Errorf("%+v", res)
			}
			if got := j.Terminated(); len(got) == 0 || got[0] != res.Session {
				t.Errorf("terminated %q, want %q", got, res.Session)
			}
			select {
			case <-w.Closed():
			default:
				t.Error("the window is open after its end")
			}
		})
	}
}

// TestJAXOld: a server that ignores emit_xspace wrote the file on its side.
func TestJAXOld(t *testing.T) {
	j := &standin.JAX{Space: realSpace(), Old: true}
	s := dial(t, Target{URL: j.Start(t)})
	if !strings.Contains(s.Note, "old JAX") {
		t.Errorf("note %q", s.Note)
	}
	there := t.TempDir()
	res := captured(t, s, Settings{Duration: 10 * time.Millisecond, ServerDir: there})
	if !bytes.Equal(content(t, res), realSpace()) {
		t.Error("the file is not the capture")
	}
	if !strings.HasPrefix(res.ServerPath, there+"/plugins/profile/"+res.Session+"/127.0.0.1_") || len(res.Notes) == 0 {
		t.Errorf("server's path %q, notes %q", res.ServerPath, res.Notes)
	}
	// Seen under another path here, or not at all: then the path is told.
	res = captured(t, s, Settings{Duration: 10 * time.Millisecond, ServerDir: there, LocalDir: there})
	if len(res.Files) != 1 {
		t.Errorf("%+v", res)
	}
	s.rpc.address = "tpu-vm:9999"
	s.URL = "tpu-vm:9999"
	res = captured(t, s, Settings{Duration: 10 * time.Millisecond})
	if len(res.Files) != 0 || !strings.Contains(strings.Join(res.Notes, "\n"), "kept the capture on its own side, at "+res.ServerPath) {
		t.Errorf("%+v", res)
	}
	if _, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Continuous: true}); err == nil || !strings.Contains(err.Error(), "no continuous profiling") {
		t.Errorf("%v", err)
	}
}

// TestJAXRoot: the server notices a root that it can't make after the window.
func TestJAXRoot(t *testing.T) {
	j := &standin.JAX{Space: realSpace()}
	s := dial(t, Target{URL: j.Start(t)})
	w, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Duration: 150 * time.Millisecond, ServerDir: "/proc/nope"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot make its directory") || !strings.Contains(err.Error(), "/proc/nope") {
		t.Errorf("%v", err)
	}
}

// TestJAXHLO fetches HLO without a window.
func TestJAXHLO(t *testing.T) {
	j := &standin.JAX{Space: realSpace()}
	s := dial(t, Target{URL: j.Start(t)})
	res, err := s.HLO(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if b := content(t, res); !bytes.Contains(b, []byte("/host:metadata")) || bytes.Contains(b, []byte("/host:CPU")) {
		t.Errorf("%d bytes, want the metadata plane alone", len(b))
	}
	if r := j.Requests()[0]; r.DurationMS != 0 || !r.HLO || len(res.Notes) != 0 {
		t.Errorf("%+v, notes %q", r, res.Notes)
	}
}

// TestJAXContinuous takes snapshots under both pairs of names, of sessions that
// run and of its own, which it stops.
func TestJAXContinuous(t *testing.T) {
	for _, older := range []bool{false, true} {
		j := &standin.JAX{Space: realSpace(), OlderNames: older}
		s := dial(t, Target{URL: j.Start(t)})
		for range 2 { // the second finds the first one's session ended
			res := captured(t, s, Settings{Duration: 10 * time.Millisecond, Continuous: true})
			if !bytes.Equal(content(t, res), realSpace()) || res.Config["started"] != true {
				t.Errorf("older names %v: %+v", older, res)
			}
		}
		if older {
			continue
		}
		keep, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Duration: time.Hour, Continuous: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(t.Context(), Settings{Dir: t.TempDir()}); !errors.Is(err, ErrBusy) {
			t.Errorf("%v, want ErrBusy beside continuous profiling", err)
		}
		res := captured(t, s, Settings{Duration: 10 * time.Millisecond, Continuous: true})
		if len(res.Files) != 1 || res.Config["started"] == true || !strings.Contains(strings.Join(res.Notes, " "), "ran already") {
			t.Errorf("%+v", res)
		}
		if s2 := dial(t, Target{URL: s.URL}); !strings.Contains(s2.Note, "continuous profiling runs") {
			t.Errorf("note %q", s2.Note)
		}
		keep.Stop()
		if res, err := keep.Wait(t.Context()); err != nil || !res.Early {
			t.Errorf("%+v, %v", res, err)
		}
	}
}

// TestJAXHosts opens one window on two processes that answer under one name.
func TestJAXHosts(t *testing.T) {
	dir, at := t.TempDir(), time.Now().Add(200*time.Millisecond)
	var all []*Window
	servers := []*standin.JAX{{Space: realSpace()}, {Space: realSpace()}}
	for _, j := range servers {
		w, err := dial(t, Target{URL: j.Start(t)}).Open(t.Context(), Settings{Dir: dir, Session: "both", Duration: 20 * time.Millisecond, Start: at})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	names := map[string]bool{}
	for _, w := range all {
		res, err := w.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names[res.Files[0].Path] = true
	}
	if len(names) != 2 {
		t.Errorf("files %v, want two", names)
	}
	for _, j := range servers {
		if got := j.Requests()[0].StartNS; got != uint64(at.UnixNano()) {
			t.Errorf("start %d, want %d", got, at.UnixNano())
		}
	}
}

// TestJAXReply decodes the reply of a real server.
func TestJAXReply(t *testing.T) {
	f, err := os.Open(tracetest.Shared(t, "data/jax_cpu/rpc_reply/profile_response.pb.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	got, err := readReply(bytes.NewReader(b), int64(len(b)), &out)
	if err != nil {
		t.Fatal(err)
	}
	// 585,458 bytes behind a tag and a length; three planes of one host.
	if out.Len() != 585_458 || got.xspace != 585_458 || got.empty || got.space.planes != 3 || len(got.space.hosts) != 1 || !bytes.Equal(out.Bytes(), b[4:]) {
		t.Errorf("%d bytes, %+v", out.Len(), got)
	}
}

// TestJAXLarge: replies beyond the 4 MiB that gRPC clients take by default come
// whole, and cost no memory of their size.
func TestJAXLarge(t *testing.T) {
	const size = 24 << 20
	space := append([]byte("\x22\x04tpu0\x0a\x80\x80\x80\x0c"), make([]byte, size)...) // a plane of 24 MiB
	j := &standin.JAX{Space: space}
	s := dial(t, Target{URL: j.Start(t)})
	if res := captured(t, s, Settings{Duration: time.Millisecond}); res.Files[0].Bytes != int64(len(space)) || res.Hosts[0] != "tpu0" {
		t.Errorf("%+v", res)
	}
	s.target.MaxBytes = 1 << 20
	w, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Duration: 150 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "wanted at most 1048576") {
		t.Errorf("%v", err)
	}
}
