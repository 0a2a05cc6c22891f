// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// An event is a line of go test -json (go doc cmd/test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events
	Test       string
	Output     string
}

// A test is one that runs; it is forgotten when it ends.
type test struct {
	output      strings.Builder
	parent      bool // has subtests, which are counted in its stead
	failedChild bool
}

type testID struct{ pkg, name string }

type skip struct {
	testID
	reason string
}

type summary struct {
	out                     io.Writer
	running                 map[testID]*test
	passed, failed, skipped int
	skips                   []skip
	packages                map[string]*strings.Builder // output outside tests
	failures                map[string]int              // failed tests by package
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, running: make(map[testID]*test), packages: make(map[string]*strings.Builder), failures: make(map[string]int)}
}

// read consumes events until the end. Lines that aren't events (a go command
// that fails before it tests anything) are passed on.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				s.out.Write(line)
			} else {
				s.event(e)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading go test -json: %w", err)
		}
	}
}

func (s *summary) event(e event) {
	switch {
	case e.Action == "build-output":
		io.WriteString(s.out, e.Output)
	case strings.HasPrefix(e.Action, "build-"):
	case e.Test == "":
		s.packageEvent(e)
	default:
		s.testEvent(e)
	}
}

func (s *summary) testEvent(e event) {
	id := testID{e.Package, e.Test}
	t := s.running[id]
	if t == nil {
		t = new(test)
		s.running[id] = t
		if p := s.running[id.parent()]; p != nil {
			p.parent = true
		}
	}
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
		return
	case "pass":
		s.passed += btoi(!t.parent)
	case "skip":
		s.skipped++
		s.skips = append(s.skips, skip{id, reason(t.output.String())})
	case "fail":
		s.fail(id, t)
	default: // run, pause, cont, start, bench
		return
	}
	delete(s.running, id)
}

// fail prints a failed test and counts it, unless a subtest already was.
func (s *summary) fail(id testID, t *test) {
	for line := range strings.Lines(t.output.String()) {
		if !strings.HasPrefix(line, "=== ") { // RUN, PAUSE, CONT, NAME
			io.WriteString(s.out, line)
		}
	}
	if p := s.running[id.parent()]; p != nil {
		p.failedChild = true
	}
	if !t.failedChild {
		s.failed++
		s.failures[id.pkg]++
	}
}

func (id testID) parent() testID {
	i := strings.LastIndexByte(id.name, '/')
	return testID{id.pkg, id.name[:max(i, 0)]}
}

func (s *summary) packageEvent(e event) {
	out := s.packages[e.Package]
	if out == nil {
		out = new(strings.Builder)
		s.packages[e.Package] = out
	}
	switch e.Action {
	case "output":
		out.WriteString(e.Output)
		return
	case "pass":
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "ok ") {
				io.WriteString(s.out, line)
			}
		}
	case "fail":
		s.packageFailed(e.Package, out.String())
	case "skip":
	default:
		return
	}
	delete(s.packages, e.Package)
}

// packageFailed prints what the package said, counts tests that never ended (a
// panic, a timeout, an exit), and counts the package itself when no test of it
// failed: it didn't build, or failed outside tests.
func (s *summary) packageFailed(pkg, output string) {
	var open []testID
	for id := range s.running {
		if id.pkg == pkg {
			open = append(open, id)
		}
	}
	slices.SortFunc(open, func(a, b testID) int { return -strings.Compare(a.name, b.name) }) // subtests before parents
	for _, id := range open {
		s.fail(id, s.running[id])
		delete(s.running, id)
	}
	io.WriteString(s.out, output)
	if s.failures[pkg] == 0 {
		s.failed++
	}
}

var position = regexp.MustCompile(`^\s*[^\s:]+\.go:\d+: `)

// reason returns the message of the t.Skip that ended a test: the last message
// of its output, with the lines that continue it.
func reason(output string) string {
	var message []string
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		switch bare := strings.TrimSpace(line); {
		case strings.HasPrefix(bare, "=== "), strings.HasPrefix(bare, "--- "), bare == "":
		case position.MatchString(line):
			message = []string{strings.TrimSpace(position.ReplaceAllString(line, ""))}
		case message != nil:
			message = append(message, bare)
		}
	}
	if text := strings.TrimSpace(strings.Join(message, " ")); text != "" {
		return text
	}
	return "no reason given"
}

// writeSkipped lists the skipped tests under the first clause of their reasons,
// the commonest first: "shared data absent: x" and "…: y" are one reason.
func (s *summary) writeSkipped(w io.Writer) {
	const most = 10
	groups := make(map[string][]skip)
	for _, k := range s.skips {
		why, _, _ := strings.Cut(k.reason, ": ")
		groups[why] = append(groups[why], k)
	}
	whys := slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(len(groups[b])-len(groups[a]), strings.Compare(a, b))
	})
	for _, why := range whys {
		group := groups[why]
		fmt.Fprintf(w, "skipped %d: %s\n", len(group), why)
		for i, k := range group {
			if i == most {
				fmt.Fprintf(w, "    and %d more\n", len(group)-most)
				break
			}
			_, detail, found := strings.Cut(k.reason, ": ")
			if found {
				detail = ": " + detail
			}
			fmt.Fprintf(w, "    %s %s%s\n", k.pkg, k.name, detail)
		}
	}
}

func (s *summary) line() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", s.passed, s.failed, s.skipped)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
