// SPDX-License-Identifier: Apache-2.0

package hlo

import "fmt"

// Frame is one line of the user's Python stack.
type Frame struct {
	File, Function string
	Line, Column   int
}

// frameTable is the module's stack frame index: four flat tables whose entries
// refer to each other by position, counted from 1.
type frameTable struct {
	files, functions []string
	locations        []location
	frames           []stackFrame
}

type location struct{ file, function, line, column int32 }

type stackFrame struct{ location, parent int32 }

var errTable = fmt.Errorf("table of more than %d entries", maxTable)

// maxStack bounds a stack: a damaged table can make a ring of frames.
const maxStack = 256

// Stack returns the user's call stack at which the instruction was traced,
// innermost frame first; nil when the module has none.
func (m *Module) Stack(in *Instruction) []Frame {
	var stack []Frame
	for id := in.frame; id != 0 && len(stack) < maxStack; {
		f, ok := m.frames.frame(id)
		if !ok {
			break
		}
		stack = append(stack, f)
		next := m.frames.frames[id-1].parent
		if next == id {
			break
		}
		id = next
	}
	return stack
}

func (t *frameTable) frame(id int32) (Frame, bool) {
	if id < 1 || int(id) > len(t.frames) {
		return Frame{}, false
	}
	l := t.frames[id-1].location
	if l < 1 || int(l) > len(t.locations) {
		return Frame{}, false
	}
	loc := t.locations[l-1]
	f := Frame{Line: int(loc.line), Column: int(loc.column)}
	if loc.file >= 1 && int(loc.file) <= len(t.files) {
		f.File = t.files[loc.file-1]
	}
	if loc.function >= 1 && int(loc.function) <= len(t.functions) {
		f.Function = t.functions[loc.function-1]
	}
	return f, true
}

// frameIndex decodes StackFrameIndexProto: file names 1, function names 2,
// locations 3 {file 1, function 2, line 3, column 4}, frames 4 {location 1,
// parent 2}.
func (r *reader) frameIndex(b []byte) error {
	t := &r.m.frames
	m := message{b: b}
	for m.next() {
		if !m.bytes() {
			continue
		}
		var v [5]int32
		if m.num == 3 || m.num == 4 {
			f := message{b: m.val}
			for f.next() {
				if f.num < 5 {
					v[f.num] = int32(f.int())
				}
			}
			if f.err != nil {
				return r.fail(f.b, "stack frame index", f.err)
			}
		}
		if max(len(t.files), len(t.functions), len(t.locations), len(t.frames)) >= maxTable {
			return r.fail(m.val, "stack frame index", errTable)
		}
		switch m.num {
		case 1:
			t.files = append(t.files, r.str(m.val))
		case 2:
			t.functions = append(t.functions, r.str(m.val))
		case 3:
			t.locations = append(t.locations, location{v[1], v[2], v[3], v[4]})
		case 4:
			t.frames = append(t.frames, stackFrame{v[1], v[2]})
		}
	}
	if m.err != nil {
		return r.fail(m.b, "stack frame index", m.err)
	}
	return nil
}
