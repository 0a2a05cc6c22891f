// SPDX-License-Identifier: Apache-2.0

// Package viewer is the page that shows one run, or a directory of runs, in a
// browser: an index with a trend, reports, comparisons of two runs by clicking,
// and the way to the Perfetto UI and to speedscope, which it carries.
//
// It is an http.Handler for a server on the loopback address. What it shows
// comes from a Source; runs are called by their IDs, never by paths, so that no
// request can name a file. Requests for another host than the server's own are
// refused, which keeps pages elsewhere from reading along by DNS rebinding; all
// requests only read. See the example of New.
package viewer

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/svg"
)

// ErrUnknown says that there is no run of an ID.
var ErrUnknown = errors.New("no such run")

// A Mismatch is an error of Source.Diff: the runs can't be compared unless that
// is insisted on.
type Mismatch struct{ Err error }

func (e *Mismatch) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *Mismatch) Unwrap() error { return e.Err }

// A Run is a line of the index.
type Run struct {
	ID      string // letters, digits, '-' and '.'
	Title   string
	Commit  string // of the code that ran; "" = not known
	Subject string // of the commit
	Time    time.Time
	On      string // devices and workload
	Step    int64  // the median step in picoseconds; 0 = not known
	Note    string // why there is no report of it; "" = there is
}

// A Listing is an index.
type Listing struct {
	Title   string
	Runs    []Run // newest last
	Metrics []string
	// Pools are what runs must have in common to be in one trend: the values of
	// Run.On of runs with numbers, the one to begin with first.
	Pools []string
	Notes []string
	// Pending is how many runs are still to be looked at: the page asks again.
	Pending int
}

// A Comparison names two runs.
type Comparison struct {
	Base, New string
	// Commits takes all runs of both commits instead of the two.
	Commits bool
	// Insist compares what differs in hardware or shapes all the same.
	Insist bool
}

// A Source is where runs come from. All methods may be called at once; those that
// take an ID return ErrUnknown when there is no such run.
type Source interface {
	Runs(ctx context.Context) (Listing, error)
	// Report and Diff write whole pages.
	Report(ctx context.Context, id string, w io.Writer) error
	Diff(ctx context.Context, c Comparison, w io.Writer) error
	// Trend writes the drawing of a metric over the runs of a pool as SVG.
	Trend(ctx context.Context, metric, pool string, w io.Writer) error
	// Perfetto writes the run as a Perfetto protobuf.
	Perfetto(ctx context.Context, id string, w io.Writer) error
	// Slowest returns the slowest step of a run, in nanoseconds of that file; ok is
	// false when there are no steps.
	Slowest(ctx context.Context, id string) (name string, from, to int64, ok bool, err error)
	// Speedscope writes the run as speedscope's JSON.
	Speedscope(ctx context.Context, id string, w io.Writer) error
}

// DefaultPerfetto is where the Perfetto UI is.
const DefaultPerfetto = "https://ui.perfetto.dev"

// Options of the page.
type Options struct {
	// Hosts are the Host headers that are answered, such as 127.0.0.1:9000.
	Hosts []string
	// Perfetto is the address of the Perfetto UI; "" = DefaultPerfetto.
	Perfetto string
}

//go:embed assets
var assets embed.FS

type server struct {
	src   Source
	opts  Options
	ui    *url.URL
	pages *template.Template
	style []byte
}

// New returns the page. The error is about Options.Perfetto.
func New(src Source, opts Options) (http.Handler, error) {
	if opts.Perfetto == "" {
		opts.Perfetto = DefaultPerfetto
	}
	ui, err := url.Parse(opts.Perfetto)
	if err != nil || ui.Host == "" || ui.Scheme != "https" && ui.Scheme != "http" {
		return nil, fmt.Errorf("%q is no address of a Perfetto UI: want https://HOST", opts.Perfetto)
	}
	s := &server{src: src, opts: opts, ui: ui}
	s.pages = template.Must(template.New("").Funcs(template.FuncMap{"short": short, "when": when, "time": duration}).ParseFS(assets, "assets/*.html"))
	css, err := assets.ReadFile("assets/viewer.css")
	if err != nil {
		return nil, err
	}
	s.style = append([]byte(svg.PageStyle()), css...)
	scope, err := speedscope()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /trend.svg", s.trend)
	mux.HandleFunc("GET /diff", s.diff)
	mux.HandleFunc("GET /diff/page", s.diffPage)
	mux.HandleFunc("GET /run/{id}", s.run)
	mux.HandleFunc("GET /run/{id}/report", s.report)
	mux.HandleFunc("GET /run/{id}/perfetto", s.perfetto)
	mux.HandleFunc("GET /run/{id}/trace.pftrace", s.trace)
	mux.HandleFunc("GET /run/{id}/speedscope", s.speedscope)
	mux.HandleFunc("GET /run/{id}/profile.speedscope.json", s.profile)
	mux.HandleFunc("GET /assets/{name}", s.asset)
	mux.Handle("GET /speedscope/{name}", scope)
	return s.guard(mux), nil
}

func short(commit string) string {
	if len(commit) > 9 {
		return commit[:9]
	}
	return commit
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func duration(ps int64) string {
	if ps == 0 {
		return ""
	}
	return quantity.Format(quantity.Time, quantity.Int(ps))
}

// page writes a page of ours.
func (s *server) page(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // whoever asked may have gone
}

// fail writes a page about an error.
func (s *server) fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, ErrUnknown) {
		status = http.StatusNotFound
	}
	s.page(w, status, "error.html", map[string]any{"Title": http.StatusText(status), "Error": err.Error()})
}

func (s *server) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if name == "viewer.css" {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(s.style) // whoever asked may have gone
		return
	}
	if !strings.HasSuffix(name, ".js") {
		http.NotFound(w, r)
		return
	}
	http.ServeFileFS(w, r, assets, "assets/"+name)
}
