// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

const formatFolded = "folded"

// foldedNames are the extensions of folded stacks, which may have no stack of two
// frames that tells them from other text.
var foldedNames = []string{".folded", ".collapsed"}

// looksLikeFolded tells folded stacks by whole lines that end in a count, as most
// must, and of which one at least has several frames.
func looksLikeFolded(text []byte, name string) bool {
	named := slices.ContainsFunc(foldedNames, func(ext string) bool { return strings.HasSuffix(uncompressed(name), ext) })
	whole := len(text) < sniffLen-16 // the head is the file
	deep, lines, stacks := named, 0, 0
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if !ended && !whole {
			break
		}
		if text = rest; isFoldedRemark(line) {
			continue
		}
		lines++
		if stack, _, ok := foldedLine(line); ok {
			stacks++
			deep = deep || bytes.IndexByte(stack, ';') >= 0
		}
	}
	return deep && stacks > 0 && 4*stacks >= 3*lines
}

// isFoldedRemark says whether a line is blank or a comment, which some writers have.
func isFoldedRemark(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

// foldedLine takes "a;b;c 123" apart. A fraction of a count is cut off.
func foldedLine(line []byte) (stack []byte, count int64, ok bool) {
	line = bytes.TrimRight(line, " \t\r")
	i := bytes.LastIndexAny(line, " \t")
	if i <= 0 {
		return nil, 0, false
	}
	whole, _, _ := bytes.Cut(line[i+1:], []byte("."))
	n, err := strconv.ParseInt(string(whole), 10, 64)
	return bytes.TrimRight(line[:i], " \t"), n, err == nil && n >= 0
}

// maxFoldedLine bounds a line; deeper stacks are nobody's.
const maxFoldedLine = 4 << 20

// fromFolded adds folded stacks (flamegraph.pl, inferno, py-spy, our own writer) as
// one host thread: lines follow each other, and frames that neighbours share from
// the outside in are one span. The format has no unit; a count is a picosecond, as
// our own writer has it.
func fromFolded(t *Trace, in *input) error {
	x := &speedscopeReader{t: t, first: OpID(len(t.Ops)), lane: &lane{}}
	ids := map[string]int{}
	sc := bufio.NewScanner(in.r)
	sc.Buffer(make([]byte, 64<<10), maxFoldedLine)
	var stack []int
	damaged := int64(0)
	for n := 1; sc.Scan(); n++ {
		if isFoldedRemark(sc.Bytes()) {
			continue
		}
		text, count, ok := foldedLine(sc.Bytes())
		if !ok || int64(x.now) > 1<<62-count || bytes.Count(text, []byte(";")) >= maxOpen {
			damaged++
			continue
		}
		stack = stack[:0]
		for name := range bytes.SplitSeq(text, []byte(";")) {
			if len(name) > 0 {
				stack = append(stack, x.frame(ids, name))
			}
		}
		if err := x.stack(stack); err != nil {
			return &InputError{Msg: fmt.Sprintf("line %d: %v", n, err), err: err}
		}
		x.now += Time(count)
	}
	if err := sc.Err(); err != nil {
		if x.now == 0 || err != io.ErrUnexpectedEOF {
			return err
		}
		t.find(Finding{Code: "truncated", Severity: Error, Message: "the compressed stream ends early: " + err.Error(), Hint: "all whole lines were kept; copy the file again"})
	}
	x.close(0)
	x.lane.order()
	if damaged > 0 {
		t.find(Finding{Code: "damaged", Severity: Warning, Count: damaged, Message: "lines that are no stack and count", Hint: "they were left out and counted"})
	}
	if !slices.Contains(t.Hosts, in.host) {
		t.Hosts = append(t.Hosts, in.host)
	}
	t.Wall = max(t.Wall, Duration(x.now))
	t.Tracks = append(t.Tracks, &Track{Name: "stacks", Kind: Host, Device: -1, Host: in.host, Bytes: int64(24 * x.lane.len()), source: &x.lane.columns})
	t.Lossy = "folded stacks: sums of counts without times, order or unit (a count is taken for a picosecond), no devices"
	return nil
}

// frame returns the number of a frame's name. Names beyond maxNames are one.
func (x *speedscopeReader) frame(ids map[string]int, name []byte) int {
	id, ok := ids[string(name)]
	if ok {
		return id
	}
	if x.frames >= maxNames {
		if x.frames == maxNames {
			x.t.find(Finding{Code: "too-many-ops", Severity: Warning, Message: fmt.Sprintf("more than %d distinct frames; the rest share one row", maxNames)})
			x.frames++
			x.t.Ops = append(x.t.Ops, Op{Name: "(frames beyond the limit)", Program: -1})
		}
		return maxNames
	}
	id = x.frames
	ids[string(name)] = id
	x.frames++
	x.t.Ops = append(x.t.Ops, Op{Name: string(name), Program: -1})
	return id
}
