// SPDX-License-Identifier: Apache-2.0

package viewer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// index lists the runs; a single one is shown at once.
func (s *server) index(w http.ResponseWriter, r *http.Request) {
	list, err := s.src.Runs(r.Context())
	if err != nil {
		s.fail(w, err)
		return
	}
	if len(list.Runs) == 1 && list.Pending == 0 && list.Runs[0].Note == "" {
		http.Redirect(w, r, "/run/"+list.Runs[0].ID, http.StatusFound)
		return
	}
	metric, pool := choice(r.FormValue("metric"), list.Metrics), choice(r.FormValue("pool"), list.Pools)
	commits := make(map[string]int)
	for i := range list.Runs {
		if c := list.Runs[i].Commit; c != "" {
			commits[c]++
		}
	}
	repeated := false
	for _, n := range commits {
		repeated = repeated || n > 1
	}
	var base, latest string // of the last two that can be shown
	for _, run := range slices.Backward(list.Runs) {
		switch {
		case run.Note != "":
		case latest == "":
			latest = run.ID
		case base == "":
			base = run.ID
		}
	}
	runs := slices.Clone(list.Runs)
	slices.Reverse(runs)
	s.page(w, http.StatusOK, "index.html", map[string]any{
		"List": list, "Runs": runs, "Metric": metric, "Pool": pool, "Base": base, "New": latest, "Repeated": repeated && len(commits) > 1,
	})
}

// choice is what was asked for if there is such, else the first.
func choice(asked string, there []string) string {
	if len(there) > 0 && !slices.Contains(there, asked) {
		return there[0]
	}
	return asked
}

// framed is a page with the way between views above a frame.
type framed struct {
	Title, View, Frame, ID string
	Sandbox                bool
	Many                   bool
}

func (s *server) run(w http.ResponseWriter, r *http.Request) { s.frame(w, r, "report", "report") }
func (s *server) speedscope(w http.ResponseWriter, r *http.Request) {
	s.frame(w, r, "speedscope", "")
}

// frame shows a view of a run.
func (s *server) frame(w http.ResponseWriter, r *http.Request, view, inner string) {
	run, many, err := s.find(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	f := framed{Title: run.Title, View: view, ID: run.ID, Sandbox: view == "report", Many: many, Frame: "/run/" + run.ID + "/" + inner}
	if view == "speedscope" {
		f.Frame = "/speedscope/index.html#" + url.Values{"profileURL": {"/run/" + run.ID + "/profile.speedscope.json"}, "title": {run.Title}}.Encode()
	}
	s.page(w, http.StatusOK, "run.html", f)
}

// find returns the run that a request is about.
func (s *server) find(r *http.Request) (run Run, many bool, err error) {
	list, err := s.src.Runs(r.Context())
	if err != nil {
		return Run{}, false, err
	}
	for _, run := range list.Runs {
		if run.ID == r.PathValue("id") {
			return run, len(list.Runs) > 1, nil
		}
	}
	return Run{}, false, ErrUnknown
}

// whole sends what write writes, or an error, never a part. The policy is the
// page's own.
func (s *server) whole(w http.ResponseWriter, kind string, write func(io.Writer) error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Security-Policy", "frame-ancestors 'self'")
	if kind == "image/svg+xml" {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	}
	_, _ = w.Write(b.Bytes()) // whoever asked may have gone
}

func (s *server) report(w http.ResponseWriter, r *http.Request) {
	s.whole(w, "text/html; charset=utf-8", func(out io.Writer) error { return s.src.Report(r.Context(), r.PathValue("id"), out) })
}

func (s *server) trend(w http.ResponseWriter, r *http.Request) {
	s.whole(w, "image/svg+xml", func(out io.Writer) error {
		return s.src.Trend(r.Context(), r.FormValue("metric"), r.FormValue("pool"), out)
	})
}

func (s *server) profile(w http.ResponseWriter, r *http.Request) {
	s.whole(w, "application/json", func(out io.Writer) error { return s.src.Speedscope(r.Context(), r.PathValue("id"), out) })
}

// comparison is what the query of a request asks for.
func comparison(r *http.Request) Comparison {
	return Comparison{Base: r.FormValue("base"), New: r.FormValue("new"), Commits: r.FormValue("commits") != "", Insist: r.FormValue("insist") != ""}
}

// diff makes the comparison, so that a reason against it is on a page of ours.
func (s *server) diff(w http.ResponseWriter, r *http.Request) {
	c := comparison(r)
	err := s.src.Diff(r.Context(), c, io.Discard)
	query := url.Values{"base": {c.Base}, "new": {c.New}}
	if c.Commits {
		query.Set("commits", "1")
	}
	var mismatch *Mismatch
	switch {
	case errors.As(err, &mismatch):
		query.Set("insist", "1")
		s.page(w, http.StatusOK, "error.html", map[string]any{"Title": "These runs differ in more than their code", "Error": err.Error(), "Insist": "/diff?" + query.Encode()})
		return
	case err != nil:
		s.fail(w, err)
		return
	}
	if c.Insist {
		query.Set("insist", "1")
	}
	s.page(w, http.StatusOK, "run.html", framed{Title: "Comparison", View: "diff", Sandbox: true, Many: true, Frame: "/diff/page?" + query.Encode()})
}

func (s *server) diffPage(w http.ResponseWriter, r *http.Request) {
	s.whole(w, "text/html; charset=utf-8", func(out io.Writer) error { return s.src.Diff(r.Context(), comparison(r), out) })
}

// perfetto is the page that hands a run over to the Perfetto UI.
func (s *server) perfetto(w http.ResponseWriter, r *http.Request) {
	run, many, err := s.find(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	name, from, to, ok, err := s.src.Slowest(r.Context(), run.ID)
	if err != nil {
		s.fail(w, err)
		return
	}
	link := *s.ui
	if link.Path == "" {
		link.Path = "/"
	}
	if !ok {
		name = ""
	} else {
		// The UI selects the slice that begins and lasts like that, and ignores a view
		// that isn't wholly inside the trace: so no margins.
		begin, end := strconv.FormatInt(from, 10), strconv.FormatInt(to, 10)
		link.Fragment = "!/?" + url.Values{"ts": {begin}, "dur": {strconv.FormatInt(to-from, 10)}, "visStart": {begin}, "visEnd": {end}}.Encode()
	}
	s.page(w, http.StatusOK, "perfetto.html", map[string]any{
		"Title": run.Title, "View": "perfetto", "ID": run.ID, "Many": many, "Step": name, "Took": 1000 * (to - from), "Link": link.String(), "Origin": s.ui.Scheme + "://" + s.ui.Host,
		"Trace": "/run/" + run.ID + "/trace.pftrace", "File": run.ID + ".pftrace",
	})
}

// trace streams: a file may be large. An error half-way ends the connection, so
// that nobody takes a part for the whole.
func (s *server) trace(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+url.PathEscape(r.PathValue("id"))+`.pftrace"`)
	out := &begun{w: w, patience: time.Minute}
	err := s.src.Perfetto(r.Context(), r.PathValue("id"), out)
	switch {
	case err != nil && !out.yes:
		w.Header().Del("Content-Disposition")
		s.fail(w, err)
	case err != nil && !errors.Is(err, context.Canceled):
		panic(http.ErrAbortHandler)
	}
}

// begun notes whether something was written, and gives up on who doesn't read:
// nobody else gets anything of the source meanwhile.
type begun struct {
	w        http.ResponseWriter
	patience time.Duration
	yes      bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	_ = http.NewResponseController(b.w).SetWriteDeadline(time.Now().Add(b.patience)) // not all writers have one
	return b.w.Write(p)
}
