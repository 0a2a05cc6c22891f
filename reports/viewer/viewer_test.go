// SPDX-License-Identifier: Apache-2.0

package viewer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

const host = "127.0.0.1:9000"

// A fake is a source of three runs, one of which is gone.
type fake struct {
	compared []Comparison
	broken   error // of Perfetto, after some bytes
}

const hostile = `</script><img src=x onerror=alert(1)>` + "\u202e\x07"

func (f *fake) Runs(context.Context) (Listing, error) {
	return Listing{Title: hostile, Metrics: []string{"step", hostile}, Pools: []string{hostile, "other"}, Notes: []string{hostile}, Runs: []Run{
		{ID: "a1", Title: hostile, Commit: hostile, Subject: hostile, On: hostile, Time: time.Unix(0, 0), Step: 1_500_000_000},
		{ID: "b2", Title: "second"}, {ID: "c3", Title: "third", Note: hostile},
	}}, nil
}

func (f *fake) known(id string) error {
	if id == "a1" || id == "b2" {
		return nil
	}
	return ErrUnknown
}

func (f *fake) Report(_ context.Context, id string, w io.Writer) error {
	_, err := io.WriteString(w, "report of "+id)
	return errors.Join(f.known(id), err)
}

func (f *fake) Diff(_ context.Context, c Comparison, w io.Writer) error {
	if err := errors.Join(f.known(c.Base), f.known(c.New)); err != nil {
		return err
	}
	f.compared = append(f.compared, c)
	if !c.Insist && c.New == "b2" {
		return &Mismatch{errors.New(hostile)}
	}
	_, err := io.WriteString(w, "diff")
	return err
}

func (f *fake) Trend(_ context.Context, metric, _ string, w io.Writer) error {
	if metric != "step" {
		return ErrUnknown
	}
	_, err := io.WriteString(w, "<svg/>")
	return err
}

func (f *fake) Perfetto(_ context.Context, id string, w io.Writer) error {
	if err := f.known(id); err != nil {
		return err
	}
	_, err := io.WriteString(w, "trace of "+id)
	return errors.Join(err, f.broken)
}

func (f *fake) Slowest(_ context.Context, id string) (string, int64, int64, bool, error) {
	return hostile, 1000, 2000, id == "a1", f.known(id)
}

func (f *fake) Speedscope(_ context.Context, id string, w io.Writer) error {
	_, err := io.WriteString(w, "{}")
	return errors.Join(f.known(id), err)
}

func serve(t *testing.T, src Source) http.Handler {
	t.Helper()
	h, err := New(src, Options{Hosts: []string{host, "localhost:9000"}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, url string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://"+host+url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	h := serve(t, &fake{})
	for _, tc := range []struct {
		url  string
		code int
		has  string
	}{
		{"/", 200, `href="/run/b2"`},
		{"/run/a1", 200, `src="/run/a1/report"`},
		{"/run/a1/report", 200, "report of a1"},
		{"/run/zz", 404, "no such run"},
		{"/run/zz/report", 404, "no such run"},
		{"/run/a1/perfetto", 200, "#!/?dur=1000&amp;ts=1000&amp;visEnd=2000&amp;visStart=1000"},
		{"/run/b2/perfetto", 200, "has no steps"},
		{"/run/a1/trace.pftrace", 200, "trace of a1"},
		{"/run/zz/trace.pftrace", 404, "no such run"},
		{"/run/a1/speedscope", 200, "/speedscope/index.html#profileURL=%2Frun%2Fa1%2Fprofile.speedscope.json"},
		{"/run/a1/profile.speedscope.json", 200, "{}"},
		{"/speedscope/index.html", 200, "speedscope-"},
		{"/speedscope/LICENSE", 200, "MIT"},
		{"/speedscope/none", 404, ""},
		{"/trend.svg?metric=step", 200, "<svg/>"},
		{"/trend.svg?metric=other", 404, "no such run"},
		{"/diff?base=a1&new=b2", 200, "insist=1"},
		{"/diff?base=b2&new=a1&commits=1", 200, "/diff/page?base=b2&amp;commits=1&amp;new=a1"},
		{"/diff?base=b2&new=zz", 404, "no such run"},
		{"/diff?base=a1&new=b2&insist=1", 200, "/diff/page?base=a1&amp;insist=1&amp;new=b2"},
		{"/diff/page?base=b2&new=a1", 200, "diff"},
		{"/assets/viewer.css", 200, "--ls-bg"},
		{"/assets/index.js", 200, "use strict"},
		{"/assets/index.html", 404, ""},
		{"/assets/..%2fviewer.go", 404, ""},
		{"/run/..%2f..%2fetc%2fpasswd/report", 404, "no such run"},
		{"/../../etc/passwd", 307, ""},
		{"/etc/passwd", 404, ""},
	} {
		w := get(h, tc.url)
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.has) {
			t.Errorf("%s: %d %.300s\nwant %d and %q", tc.url, w.Code, w.Body, tc.code, tc.has)
		}
		if w.Code == 200 && (w.Header().Get("Content-Security-Policy") == "" && !strings.HasPrefix(tc.url, "/assets/") && !strings.Contains(tc.url, ".pftrace") || w.Header().Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: headers %v", tc.url, w.Header())
		}
	}
}

func TestGuard(t *testing.T) {
	h := serve(t, &fake{})
	for name, tc := range map[string]struct {
		method, host string
		header       http.Header
		code         int
	}{
		"own address":            {"GET", host, nil, 200},
		"localhost":              {"GET", "localhost:9000", nil, 200},
		"head":                   {"HEAD", host, nil, 200},
		"another name":           {"GET", "rebound.example:9000", nil, 421},
		"another port":           {"GET", "127.0.0.1:9001", nil, 421},
		"no name":                {"GET", "", nil, 421},
		"post":                   {"POST", host, nil, 405},
		"delete":                 {"DELETE", host, nil, 405},
		"a link from elsewhere":  {"GET", host, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, 200},
		"a frame elsewhere":      {"GET", host, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}}, 403},
		"a script elsewhere":     {"GET", host, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"cors"}}, 403},
		"another port's script":  {"GET", host, http.Header{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"no-cors"}}, 403},
		"the page's own request": {"GET", host, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}}, 200},
	} {
		r := httptest.NewRequest(tc.method, "http://"+host+"/", nil)
		r.Host = tc.host
		for k, v := range tc.header {
			r.Header[k] = v
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tc.code {
			t.Errorf("%s: %d, want %d", name, w.Code, tc.code)
		}
	}
}

// Names of all kinds are text on every page.
func TestHostileNames(t *testing.T) {
	h := serve(t, &fake{})
	for _, url := range []string{"/", "/?metric=" + "%3Cimg%20src=x%3E", "/run/a1", "/run/a1/perfetto", "/run/a1/speedscope", "/diff?base=a1&new=b2", "/run/%3Cimg%20src=x%3E"} {
		body := get(h, url).Body.String()
		for _, bad := range []string{"<img src=x", "</script><"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: %q in the markup: %s", url, bad, body)
			}
		}
	}
}

// A trace that breaks off half-way ends the connection.
func TestBrokenTrace(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	h, err := New(&fake{broken: errors.New("unreadable")}, Options{Hosts: []string{s.Listener.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Handler = h
	s.Start()
	defer s.Close()
	res, err := http.Get(s.URL + "/run/a1/trace.pftrace")
	if err == nil {
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
	}
	if err == nil {
		t.Error("the broken trace ended like a whole one")
	}
}

// Who asks for a trace and doesn't read it is left, in time.
func TestStalledReader(t *testing.T) {
	ended := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out, block := &begun{w: w, patience: 100 * time.Millisecond}, make([]byte, 1<<20)
		for range 1000 {
			if _, err := out.Write(block); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}))
	defer s.Close()
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v, want that the time is over", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("still written to")
	}
}

func TestBadPerfetto(t *testing.T) {
	for _, url := range []string{"javascript:alert(1)", "ui.perfetto.dev", "ftp://x", "http://", "::"} {
		if _, err := New(&fake{}, Options{Perfetto: url}); err == nil {
			t.Errorf("%s was accepted", url)
		}
	}
}
