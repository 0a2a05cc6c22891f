// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// frame is a gRPC message that says how long it is.
func frame(flag byte, length uint32, message []byte) []byte {
	head := make([]byte, 5)
	head[0] = flag
	binary.BigEndian.PutUint32(head[1:], length)
	return append(head, message...)
}

// evil serves one answer to every call of Profile, by HTTP/2 without TLS.
func evil(t *testing.T, profile http.HandlerFunc) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	web := &http.Server{Protocols: &p, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Profile") {
			profile(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "5")
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = web.Serve(l) // ends with Close
	}()
	t.Cleanup(func() {
		_ = web.Close() // nothing to lose
		<-done
	})
	s := dial(t, Target{URL: l.Addr().String(), Kind: JAX})
	s.slack, s.grace = time.Second, time.Second
	return s
}

func grpcAnswer(body []byte, trailers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		_, _ = w.Write(body) // the client may have hung up
		for i := 0; i+1 < len(trailers); i += 2 {
			w.Header().Set(trailers[i], trailers[i+1])
		}
	}
}

// TestHostileReplies: whatever a server answers is an error that says what was
// found, within the deadline, and leaves no file.
func TestHostileReplies(t *testing.T) {
	good := protowire.AppendBytes(protowire.AppendTag(nil, replyXSpace, protowire.BytesType), []byte("\x22\x01h"))
	ok := []string{"Grpc-Status", "0"}
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"4 GiB announced":        {grpcAnswer(frame(0, 1<<32-1, good), ok...), "a reply of 4294967295 bytes, wanted at most"},
		"less than announced":    {grpcAnswer(frame(0, 1000, good), ok...), "early"},
		"more than announced":    {grpcAnswer(frame(0, uint32(len(good)), append(good, 'x')), ok...), "more bytes behind the reply"},
		"half a frame":           {grpcAnswer([]byte{0, 0}, ok...), "reading the reply: unexpected EOF"},
		"nothing":                {grpcAnswer(nil), "without a status"},
		"compressed":             {grpcAnswer(frame(1, 3, []byte("abc")), ok...), "compressed"},
		"a field too long":       {grpcAnswer(frame(0, 6, []byte("\x42\xff\xff\xff\x7fx")), ok...), "a field of 268435455 bytes, 1 are left"},
		"a plane too long":       {grpcAnswer(frame(0, 4, []byte("\x42\x02\x0a\x7f")), ok...), "XSpace: offset"},
		"an endless varint":      {grpcAnswer(frame(0, 12, bytes.Repeat([]byte{0xff}, 12)), ok...), "overflows"},
		"a group":                {grpcAnswer(frame(0, 1, []byte{0x43}), ok...), "wire type 3"},
		"a group behind a space": {grpcAnswer(frame(0, uint32(len(good)+1), append(good[:len(good):len(good)], 0x43)), ok...), "ProfileResponse: offset 0x6: wire type 3"},
		"field 0":                {grpcAnswer(frame(0, 2, []byte{0x02, 0}), ok...), "field number 0"},
		"no status":              {grpcAnswer(frame(0, uint32(len(good)), good)), "ends without a status"},
		"a status that is none":  {grpcAnswer(frame(0, uint32(len(good)), good), "Grpc-Status", "-x"), "ends without a status"},
		"an error behind data":   {grpcAnswer(frame(0, uint32(len(good)), good), "Grpc-Status", "14", "Grpc-Message", "gone%20away"), "UNAVAILABLE: gone away"},
		"an unknown code":        {grpcAnswer(nil, "Grpc-Status", "99", "Grpc-Message", strings.Repeat("x", 5000)), "Profile: 99: xxx"},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html>hello")
		}, `HTTP status 200 with "text/html; charset=utf-8", wanted a gRPC answer: "<html>hello"`},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "HTTP status 302"},
		"endless headers": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
		}, "COMPRESSION_ERROR"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "stream error"},
		"never answers": {func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, "deadline exceeded"},
		"a byte now and then": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			body := frame(0, 1<<20, nil)
			for i := 0; r.Context().Err() == nil; i++ {
				_, _ = w.Write([]byte{append(body, '\x0a', '\xf0', '\x3f')[min(i, 7)]}) // the client may have gone
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := evil(t, c.h)
			dir := t.TempDir()
			begin := time.Now()
			w, err := s.Open(t.Context(), Settings{Dir: dir, Duration: time.Millisecond})
			if err == nil {
				_, err = w.Wait(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("took %v", took)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "plugins", "profile", "*", "*")); len(left) != 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// TestHostileTerminate: a server that ignores Terminate is left, in time.
func TestHostileTerminate(t *testing.T) {
	s := evil(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begin := time.Now()
	if res, err := w.Wait(ctx); err == nil || len(res.Files) != 0 || time.Since(begin) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// TestLongDeadline: a grpc-timeout has eight digits at most; servers refuse others.
func TestLongDeadline(t *testing.T) {
	sent := make(chan string, 1)
	s := evil(t, func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Get("Grpc-Timeout")
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "14")
	})
	if w, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Duration: 48 * time.Hour}); err == nil {
		_, _ = w.Wait(t.Context()) // the answer, an error, came later
	}
	if got := <-sent; got != "99999999m" {
		t.Errorf("grpc-timeout %q of a window of two days, want 99999999m", got)
	}
}

// TestHostileNames: names of a server's are names of files here, nothing else.
func TestHostileNames(t *testing.T) {
	var space []byte
	for _, name := range []string{"../../../evil", "second", strings.Repeat("x", 100_000)} {
		space = protowire.AppendString(protowire.AppendTag(space, spaceHostnames, protowire.BytesType), name)
	}
	for i := range 1000 {
		space = protowire.AppendString(protowire.AppendTag(space, spaceWarnings, protowire.BytesType), fmt.Sprint("w", i))
	}
	message := protowire.AppendBytes(protowire.AppendTag(nil, replyXSpace, protowire.BytesType), space)
	s := evil(t, grpcAnswer(frame(0, uint32(len(message)), message), "Grpc-Status", "0"))
	dir := t.TempDir()
	res := captured(t, s, Settings{Dir: dir, Session: "s", Duration: time.Millisecond})
	if want := filepath.Join(dir, "plugins", "profile", "s", "_.._.._evil.xplane.pb"); res.Files[0].Path != want {
		t.Errorf("%s, want %s", res.Files[0].Path, want)
	}
	if len(res.Hosts) != 3 || len(res.Hosts[2]) != maxText || len(res.Notes) != maxTexts {
		t.Errorf("%d hosts, %d notes", len(res.Hosts), len(res.Notes))
	}
	for in, want := range map[string]string{"": "host", "..": "host", "a/b\\c:d": "a_b_c_d", "tpu\x1b[2J\u202e": "tpu_[2J_", ".hidden": "hidden"} {
		if got := fileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestHostileMemory: a reply of 128 MiB costs buffers, not its size.
func TestHostileMemory(t *testing.T) {
	const size = 128 << 20
	chunk := make([]byte, 64<<10)
	head := protowire.AppendVarint(protowire.AppendTag(nil, spacePlanes, protowire.BytesType), size)
	body := protowire.AppendVarint(protowire.AppendTag(nil, replyXSpace, protowire.BytesType), uint64(len(head)+size))
	s := evil(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(frame(0, uint32(len(body)+len(head)+size), append(body, head...))) // the client counts
		for range size / len(chunk) {
			_, _ = w.Write(chunk)
		}
		w.Header().Set("Grpc-Status", "0")
	})
	s.slack = time.Minute
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res := captured(t, s, Settings{Duration: time.Millisecond})
	runtime.ReadMemStats(&after)
	if res.Files[0].Bytes != int64(len(head)+size) {
		t.Errorf("%d bytes", res.Files[0].Bytes)
	}
	// Client and server together; a body in memory would be 128 MiB alone.
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 48<<20 {
		t.Errorf("%d MiB allocated for a reply of 128 MiB", grown>>20)
	}
}

// TestHostileWeb: the HTTP endpoints of a server that lies.
func TestHostileWeb(t *testing.T) {
	answers := map[string]http.HandlerFunc{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := answers[r.URL.Path]; ok {
			h(w, r)
			return
		}
		fmt.Fprint(w, `{"engine":"layerscope","session":"s","status":"idle","last":{"session":"s","host":"../h","capture":"/profile_capture?session=s"}}`)
	}))
	defer web.Close()
	s := dial(t, Target{URL: web.URL, MaxBytes: 1 << 20})
	text := func(t string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, t) }
	}
	for name, c := range map[string]struct {
		path string
		h    http.HandlerFunc
		want string
	}{
		"an endless status":   {"/profile_status", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) }, "more than 1048576 bytes"},
		"a status of another": {"/profile_status", text(`{"status":"idle","last":{"session":"t"}}`), "somebody else"},
		"a failure":           {"/profile_status", text(`{"status":"idle","last":{"session":"s","error":"disk full"}}`), "disk full"},
		"another path":        {"/profile_status", text(`{"status":"idle","last":{"session":"s","capture":"http://elsewhere/"}}`), "names no capture"},
		"no status":           {"/profile_status", text(`[]`), `HTTP status 200: "[]"`},
		"too large":           {"/profile_capture", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1048577") }, "wanted at most 1048576"},
		"without a length":    {"/profile_capture", func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, "has no length"},
		"shorter than it says": {"/profile_capture", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "\x22\x08")
		}, "unexpected EOF"},
		"no capture": {"/profile_capture", text("<html>"), "XSpace"},
		"elsewhere": {"/profile_capture", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "HTTP status 302"},
	} {
		t.Run(name, func(t *testing.T) {
			answers = map[string]http.HandlerFunc{c.path: c.h}
			dir := t.TempDir()
			w, err := s.Open(t.Context(), Settings{Dir: dir, Duration: time.Second})
			if err == nil {
				_, err = w.Wait(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "plugins", "profile", "*", "*")); len(left) != 0 {
				t.Errorf("left %v", left)
			}
		})
	}
	answers = map[string]http.HandlerFunc{"/profile_capture": text("\x22\x01h")}
	if res := captured(t, s, Settings{}); filepath.Base(res.Files[0].Path) != "_h.xplane.pb" {
		t.Errorf("%+v", res.Files)
	}
}

// TestHostileDirectory: links, and files that never become whole.
func TestHostileDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "x.xplane.pb")); err != nil {
		t.Fatal(err)
	}
	if files, _, err := look(dir); err != nil || len(files) != 0 {
		t.Errorf("%v, %v: links are not followed", files, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cut.xplane.pb"), forwards(1)[:99], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := settle(t.Context(), dir, 500*time.Millisecond); err == nil || !strings.Contains(err.Error(), "cut.xplane.pb") || !strings.Contains(err.Error(), "XSpace") {
		t.Errorf("%v", err)
	}
}

// TestReplyLaw: a reply of any fields in any order is read as it was written, and
// the XSpace's pieces come out end to end.
func TestReplyLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var message, space []byte
		tools, empty := 0, false
		for range rapid.IntRange(0, 6).Draw(t, "fields") {
			switch rapid.IntRange(0, 3).Draw(t, "field") {
			case 0:
				piece := protowire.AppendString(protowire.AppendTag(nil, spaceHostnames, protowire.BytesType), rapid.StringN(0, 9, 40).Draw(t, "host"))
				message = protowire.AppendBytes(protowire.AppendTag(message, replyXSpace, protowire.BytesType), piece)
				space = append(space, piece...)
			case 1:
				message = protowire.AppendVarint(protowire.AppendTag(message, replyEmpty, protowire.VarintType), 1)
				empty = true
			case 2:
				message = protowire.AppendBytes(protowire.AppendTag(message, replyToolData, protowire.BytesType), []byte("tool"))
				tools++
			default:
				num := protowire.Number(rapid.IntRange(20, 9000).Draw(t, "number"))
				message = protowire.AppendFixed64(protowire.AppendTag(message, num, protowire.Fixed64Type), 7)
			}
		}
		var out bytes.Buffer
		got, err := readReply(bytes.NewReader(message), int64(len(message)), &out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), space) || got.empty != empty || got.toolData != tools || got.xspace != int64(len(space)) {
			t.Fatalf("%+v, %d bytes, want %d", got, out.Len(), len(space))
		}
	})
}

// FuzzReply: no reply makes more bytes than it has, nor reads less.
func FuzzReply(f *testing.F) {
	f.Add([]byte("\x38\x01\x42\x06\x22\x04tpu0"))
	f.Add(protowire.AppendBytes(protowire.AppendTag(nil, replyXSpace, protowire.BytesType), forwards(3)[:40]))
	f.Add([]byte("\x42\xff\xff\xff\x7f"))
	f.Add([]byte("\x32\x04tool\x42\x00\x38\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		r := bytes.NewReader(b)
		got, err := readReply(r, int64(len(b)), &out)
		if out.Len() > len(b) || err == nil && (got.xspace != int64(out.Len()) || r.Len() != 0) {
			t.Fatalf("%d bytes of %d, %+v, %v", out.Len(), len(b), got, err)
		}
		if err != nil {
			return
		}
		var again space
		if err := readSpace(bytes.NewReader(out.Bytes()), int64(out.Len()), &again); err != nil || again.planes != got.space.planes {
			t.Fatalf("what was written is not what was read: %v, %+v, %+v", err, again, got.space)
		}
	})
}
