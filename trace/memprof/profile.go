// SPDX-License-Identifier: Apache-2.0

package memprof

import (
	"math"
	"path"
	"strconv"
	"strings"
)

// A Profile is a snapshot of live memory.
type Profile struct {
	Buffers []Buffer
	Time    int64 // Unix nanoseconds; 0 = not stated, as in JAX's profiles
	// Values names the sample types that Buffers were read from:
	// "allocations/count space/bytes".
	Values string
	// Notes say what was odd in the file and how it was read.
	Notes []string
}

// A Buffer is one entry of a profile: Count live buffers that together hold
// Bytes bytes. Both may be negative in the difference of two profiles.
type Buffer struct {
	Stack        []Frame // outermost first; nil = not known
	Kind         string  // "buffer", "executable", "weights", "kv_cache", …
	Device       string  // "cpu:0", "TPU_0(process=0,(0,0,0,0))"; "" = none stated
	Bytes, Count int64
}

// A Frame is one level of a stack: a function of a program, or one part of a
// scope path, which has no file.
type Frame struct {
	Function, File string
	Line           int64
}

// Scope returns the stack of a scope path: a frame for each of its parts.
func Scope(scopePath string) []Frame {
	var stack []Frame
	for part := range strings.SplitSeq(scopePath, "/") {
		if part != "" {
			stack = append(stack, Frame{Function: part})
		}
	}
	return stack
}

// NoStack is what Path returns for buffers without a stack.
const NoStack = "(no stack)"

// Path returns the stack as one line: a scope path with slashes, a stack of
// calls with semicolons, outermost first.
func (b *Buffer) Path() string {
	if len(b.Stack) == 0 {
		return NoStack
	}
	sep := ";"
	if b.Scoped() {
		sep = "/"
	}
	var s strings.Builder
	for i := range b.Stack {
		if i > 0 {
			s.WriteString(sep)
		}
		s.WriteString(b.Stack[i].Function)
	}
	return s.String()
}

// Scoped says whether the stack is a scope path: no frame has a file.
func (b *Buffer) Scoped() bool {
	for i := range b.Stack {
		if b.Stack[i].File != "" {
			return false
		}
	}
	return len(b.Stack) > 0
}

// Site names the place to look at: the scope path, or the innermost frame that
// is not a library's, "leak_cache (serve.py)"; its line is not part of it, so
// that calls from several lines of one function are one site.
func (b *Buffer) Site() string {
	if len(b.Stack) == 0 || b.Scoped() {
		return b.Path()
	}
	f := &b.Stack[len(b.Stack)-1]
	for i := len(b.Stack) - 1; i >= 0; i-- {
		if !b.Stack[i].library() {
			f = &b.Stack[i]
			break
		}
	}
	if f.File == "" {
		return f.Function
	}
	return f.Function + " (" + base(f.File) + ")"
}

// Where returns the frame as "function file:line".
func (f *Frame) Where() string {
	if f.File == "" {
		return f.Function
	}
	return f.Function + " " + f.File + ":" + strconv.FormatInt(f.Line, 10)
}

func base(file string) string { return path.Base(strings.ReplaceAll(file, `\`, "/")) }

// libraries mark the files of frames that users don't look at: installed
// packages, JAX itself, Python's and Go's own.
var libraries = []string{
	"site-packages/", "dist-packages/", "/jax/_src/", "/jax/interpreters/", "/jax/experimental/", "/jaxlib/", "/flax/", "/lib/python",
	"<frozen ", "<string>", "/go/src/runtime/", "/usr/local/go/", "/pkg/mod/",
}

func (f *Frame) library() bool {
	if f.File == "" && strings.HasPrefix(f.Function, "runtime.") {
		return true
	}
	file := strings.ReplaceAll(f.File, `\`, "/")
	for _, mark := range libraries {
		if strings.Contains(file, mark) {
			return true
		}
	}
	return false
}

// Total returns the sums over all buffers; they stop at the ends of int64.
func (p *Profile) Total() (bytes, count int64) {
	for i := range p.Buffers {
		bytes, count = add(bytes, p.Buffers[i].Bytes), add(count, p.Buffers[i].Count)
	}
	return bytes, count
}

// add returns a + b, or the end of int64 that it is beyond.
func add(a, b int64) int64 {
	switch s := a + b; {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	default:
		return s
	}
}
