// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"fmt"
	"slices"
	"strings"
)

// isElision reports whether a line of expected output stands for any lines.
func isElision(line string) bool {
	t := strings.TrimSpace(line)
	return t == "…" || t == "..."
}

// segments cuts expected output at its elisions: one more than there are.
func segments(want []string) [][]string {
	parts := [][]string{{}}
	for _, line := range want {
		if isElision(line) {
			parts = append(parts, []string{})
			continue
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], line)
	}
	return parts
}

// matches reports whether got is want, where elisions in want stand for any
// number of lines, none included.
func matches(want, got []string) bool {
	parts := segments(want)
	if len(parts) == 1 {
		return slices.Equal(want, got)
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(first)+len(last) > len(got) || !slices.Equal(first, got[:len(first)]) || !slices.Equal(last, got[len(got)-len(last):]) {
		return false
	}
	rest := got[len(first) : len(got)-len(last)]
	for _, part := range parts[1 : len(parts)-1] { // the earliest place leaves most for the others
		at := index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return true
}

func index(lines, part []string) int {
	for i := 0; i+len(part) <= len(lines); i++ {
		if slices.Equal(lines[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

// updated returns new expected output for got in the form of want: the whole of
// it, or as many lines around one elision as there were.
func updated(want, got []string) ([]string, error) {
	parts := segments(want)
	switch len(parts) {
	case 1:
		return got, nil
	case 2:
		head, tail := len(parts[0]), len(parts[1])
		if head+tail >= len(got) {
			return got, nil
		}
		elision := want[head]
		return slices.Concat(got[:head], []string{elision}, got[len(got)-tail:]), nil
	}
	return nil, fmt.Errorf("the output is elided in %d places: update it by hand", len(parts)-1)
}

// outputLines splits what a command printed; blank lines at its end don't count.
func outputLines(s string) []string {
	lines := strings.Split(s, "\n")
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// An edit replaces the output lines of one command.
type edit struct {
	from, to int
	lines    []string
	indent   string
}

// apply carries out edits, given in the order of their places.
func apply(text string, edits []edit) string {
	lines := strings.Split(text, "\n")
	for _, e := range slices.Backward(edits) {
		var fresh []string
		for _, line := range e.lines {
			fresh = append(fresh, strings.TrimRight(e.indent+line, " \t"))
		}
		lines = slices.Replace(lines, e.from, e.to, fresh...)
	}
	return strings.Join(lines, "\n")
}
