// SPDX-License-Identifier: Apache-2.0

package fakegcs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// dirEnv tells a test binary to be the server, with its files in a directory.
const dirEnv = "LAYERSCOPE_FAKEGCS_DIR"

// Main is the server, in the process that Start made; elsewhere it returns at
// once.
func Main() {
	dir := os.Getenv(dirEnv)
	if dir == "" {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test
		os.Exit(0)
	}()
	fmt.Println(l.Addr())
	fmt.Fprintln(os.Stderr, http.Serve(l, newServer(dir)))
	os.Exit(1)
}

// A Process is a running server.
type Process struct {
	Host string // for STORAGE_EMULATOR_HOST
	tb   testing.TB
}

// Start starts a server with empty buckets; it ends with the test.
func Start(tb testing.TB, buckets ...string) *Process {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dirEnv+"="+tb.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("the server didn't start (is fakegcs.Main called in TestMain?): %v", err)
	}
	p := &Process{Host: strings.TrimSpace(line), tb: tb}
	for _, b := range buckets {
		p.post("/storage/v1/b?project=test", map[string]string{"name": b}, nil)
	}
	return p
}

// A Fault happens to requests that match, Count times (0: once).
type Fault struct {
	// Op is put, chunk, read, stat, list, compose or delete; "" is any.
	Op   string
	Name string // part of the object's name
	// Kind is status (answers Status), cut (drops the connection after Bytes of
	// the body), stall (says nothing more after Bytes), corrupt (one bit of the
	// body is another one), lost (does it, and drops the connection).
	Kind       string
	Status     int
	RetryAfter int
	Bytes      int64
	Skip       int // matching requests before the first
	Count      int
}

// Stats are what the server saw.
type Stats struct {
	Requests map[string]int   // by op
	Received map[string]int64 // bytes of media by object, of broken requests too
	Served   map[string]int64
	Objects  map[string]int64 // sizes, by bucket/name
	Holding  bool
	Total    int64 // media bytes either way
	Count    int   // requests
}

// Fault adds faults.
func (p *Process) Fault(faults ...Fault) { p.tb.Helper(); p.post("/_fake/faults", faults, nil) }

// Hold stops all traffic once so many media bytes, or so many requests, have
// passed from now on; 0 of both lets everything go.
func (p *Process) Hold(bytes int64, requests int) {
	p.tb.Helper()
	p.post("/_fake/hold", map[string]int64{"bytes": bytes, "requests": int64(requests)}, nil)
}

// Forget sets the counters to zero and drops faults that are left.
func (p *Process) Forget() { p.tb.Helper(); p.post("/_fake/forget", nil, nil) }

// Stats returns what was seen.
func (p *Process) Stats() (s Stats) { p.tb.Helper(); p.post("/_fake/stats", nil, &s); return s }

// Holds waits until the server holds, or the function says to give up.
func (p *Process) Holds(giveUp func() bool) bool {
	p.tb.Helper()
	for !giveUp() {
		if p.Stats().Holding {
			return true
		}
		time.Sleep(2 * time.Millisecond)
	}
	return false
}

func (p *Process) post(path string, body, answer any) {
	p.tb.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.tb.Fatal(err)
	}
	r, err := http.Post("http://"+p.Host+path, "application/json", bytes.NewReader(text))
	if err != nil {
		p.tb.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		p.tb.Fatalf("%s: %s", path, r.Status)
	}
	if answer != nil {
		if err := json.NewDecoder(r.Body).Decode(answer); err != nil {
			p.tb.Fatal(err)
		}
	}
}
