// SPDX-License-Identifier: Apache-2.0

package hlo

import "strings"

// Direction says to which pass of a training step work belongs.
type Direction uint8

// The directions. Work without a mark of differentiation is Forward.
const (
	Forward Direction = iota
	Backward
	Recompute // the forward pass run again for the backward pass
)

// String returns "forward", "backward" or "recompute".
func (d Direction) String() string {
	switch d {
	case Backward:
		return "backward"
	case Recompute:
		return "recompute"
	}
	return "forward"
}

// Scope is an op_name taken apart: what the user named, without the wrappers
// that JAX's transformations put around and between the names.
type Scope struct {
	// Program is f of the leading jit(f), "" without one.
	Program string

	// Path holds the named scopes, outermost first: ["layer_3", "mlp", "down"].
	Path []string

	// Op is the primitive, the last part: "dot_general". Its bracketed
	// parameters ("reduce_max[axes=(4,)]") are cut off. It is empty when the
	// name ends in a scope, and the wrapper's name when it ends in a wrapper
	// ("while", or g of a jit(g)).
	Op string

	// OpType is what follows the last single colon of a tf_op ("path:OpType").
	OpType string

	// Spec is the einsum equation among the parts ("bthd,bshd->bhts"), which
	// belongs to the operation and is no scope.
	Spec string

	// Inner lists functions that were compiled inside the program, jit(silu)
	// or jit(_where), outermost first. They are no scopes of the user's.
	Inner []string

	Direction Direction
}

// Name returns the path joined with '/'.
func (s *Scope) Name() string { return strings.Join(s.Path, "/") }

// SplitScope splits an op_name at each '/' outside brackets, and outside quotes
// inside brackets, and leaves out empty parts. Einsum equations
// ("bhts,bshd->bthd") and torch names ("aten::mean.dim") stay whole. In a name
// whose brackets do not match, every '/' splits.
func SplitScope(opName string) []string { return splitOutside(opName, '/') }

func splitOutside(s string, sep byte) []string {
	if strings.IndexByte(s, sep) < 0 {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	parts := make([]string, 0, 1+strings.Count(s, string(sep)))
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth = max(0, depth-1)
		case depth > 0 && (c == '\'' || c == '"'):
			j := strings.IndexByte(s[i+1:], c)
			if j < 0 {
				return nonEmpty(strings.Split(s, string(sep)))
			}
			i += 1 + j
		case c == sep && depth == 0:
			if i > start {
				parts = append(parts, s[start:i])
			}
			start = i + 1
		}
	}
	if depth > 0 {
		return nonEmpty(strings.Split(s, string(sep)))
	}
	if start < len(s) {
		parts = append(parts, s[start:])
	}
	return parts
}

func nonEmpty(parts []string) []string {
	n := 0
	for _, p := range parts {
		if p != "" {
			parts[n] = p
			n++
		}
	}
	return parts[:n]
}

// wrappers are parts that JAX and TensorFlow write for their own call-like
// operations. Parts that count only after another are in foldPart.
var wrappers = map[string]bool{
	"while": true, "scan": true, "closed_call": true, "core_call": true, "core_closed_call": true,
	"xla_call": true, "named_call": true, "eval_jaxpr": true, "pjit": true,
	"checkpoint": true, "remat": true, "remat2": true, "remat_call": true, "rematted_computation": true,
	"shard_map": true, "shmap_body": true, "xla_pmap": true, "run_state": true,
	"custom_jvp_call": true, "custom_vjp_call": true, "custom_jvp_call_jaxpr": true, "custom_vjp_call_jaxpr": true,
	"custom_lin": true, "StatefulPartitionedCall": true, "PartitionedCall": true,
}

// calls are wrappers written f(name) whose name is a function's; transforms
// those whose name is a scope, or empty.
var (
	calls = map[string]bool{
		"jit": true, "pjit": true, "pmap": true, "xla_pmap": true, "xmap": true, "shard_map": true,
		"core_call": true, "xla_call": true, "closed_call": true, "named_call": true,
	}
	transforms = map[string]bool{
		"jvp": true, "transpose": true, "vmap": true, "linearize": true, "checkpoint": true, "remat": true,
		"custom_jvp": true, "custom_vjp": true, "rematted_computation": true,
	}
)

// FoldScope takes an op_name, or the tf_op of a profile, apart.
//
//   - jit(f) at the head is the program; later ones go to Inner.
//   - jvp(x), vmap(x), checkpoint(x) and the like become x; an empty x leaves
//     nothing.
//   - transpose(…) makes the direction backward, rematted_computation makes it
//     recompute, wherever they stand; TensorFlow's gradient_tape and gradients
//     at the head mean backward.
//   - while/body, cond/branch_0_fun, closed_call, shard_map, … are dropped.
//   - An einsum equation goes to Spec, also from inside jvp(…).
//   - Of names joined with ';' (operations that the compiler merged) the first
//     with a scope that is no torch operator counts.
//
// A name that cannot be taken apart ends up whole in Op.
func FoldScope(path string) Scope {
	path, opType := cutOpType(path)
	s := foldOne(path)
	if strings.IndexByte(path, ';') >= 0 {
		for i, alt := range splitOutside(path, ';') {
			if a := foldOne(alt); i == 0 || a.named() && !s.named() {
				s = a
			}
		}
	}
	s.OpType = opType
	return s
}

// named reports whether the path holds a scope other than a torch operator.
func (s *Scope) named() bool {
	for _, p := range s.Path {
		if !strings.Contains(p, "::") {
			return true
		}
	}
	return false
}

// cutOpType cuts ":OpType" off the end: the last colon that has no colon
// beside it and no separator behind it.
func cutOpType(s string) (path, opType string) {
	for i := len(s) - 1; i >= 0; i-- {
		switch s[i] {
		case '/', ';', ')', ']', '}', '\'', '"':
			return s, ""
		case ':':
			if i > 0 && s[i-1] == ':' {
				return s, ""
			}
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func foldOne(path string) Scope {
	var s Scope
	parts := SplitScope(path)
	for len(parts) > 0 && headOf(parts[0], &s) {
		parts = parts[1:]
	}
	f := folder{s: &s}
	for i, p := range parts {
		next := ""
		if i+1 < len(parts) {
			next = parts[i+1]
		}
		f.part(p, next, i == len(parts)-1)
	}
	if f.recompute {
		s.Direction = Recompute
	}
	return s
}

// headOf takes what only counts at the head of a name: the program, and
// TensorFlow's marks of gradients and device copies.
func headOf(p string, s *Scope) bool {
	fn, inner, ok := call(p)
	switch {
	case ok && calls[fn] && s.Program == "" && len(s.Inner) == 0:
		s.Program = inner
	case p == "gradient_tape" || p == "gradients":
		s.Direction = Backward
	case p == "ConstantFolding", numbered(p, "replica_", ""):
	default:
		return false
	}
	return true
}

// folder collects one name's parts.
type folder struct {
	s         *Scope
	prev      string // the part before, as written
	recompute bool
	depth     int // of names with '/' inside f(…)
}

// maxPeel bounds f(g(h(…))).
const maxPeel = 16

func (f *folder) part(p, next string, last bool) {
	prev := f.prev
	f.prev = p
	switch {
	case p == "rematted_computation":
		f.recompute = true
	case prev == "while" && (p == "body" || p == "cond"):
	case p == "cond" && numbered(next, "branch_", "_fun"):
	case prev == "cond" && numbered(p, "branch_", "_fun"):
	case wrappers[p]:
	default:
		f.name(p, last)
		return
	}
	if last {
		f.s.Op = p
	}
}

// name takes a part that is no bare wrapper: f(x) is peeled down to x.
func (f *folder) name(p string, last bool) {
	peeled := false
	for range maxPeel {
		fn, inner, ok := call(p)
		switch {
		case ok && calls[fn]:
			if inner != "" {
				f.s.Inner = append(f.s.Inner, inner)
			}
			if last {
				f.s.Op = inner
			}
			return
		case ok && transforms[fn]:
			if fn == "transpose" {
				f.s.Direction = Backward
			}
			f.recompute = f.recompute || fn == "rematted_computation"
			p, peeled = inner, true
			continue
		}
		break
	}
	if !peeled {
		f.plain(p, last)
		return
	}
	if f.depth >= maxPeel {
		if p != "" {
			f.plain(p, false)
		}
		return
	}
	f.depth++
	inner := SplitScope(p)
	for i, q := range inner {
		next := ""
		if i+1 < len(inner) {
			next = inner[i+1]
		}
		f.part(q, next, false)
	}
	f.depth--
}

// plain takes a scope, an einsum equation, or at the end the primitive.
func (f *folder) plain(p string, last bool) {
	switch {
	case isEinsum(p):
		f.s.Spec = p
	case last:
		f.s.Op = cutParameters(p)
	default:
		f.s.Path = append(f.s.Path, p)
	}
}

// call takes f(x) apart.
func call(p string) (fn, inner string, ok bool) {
	i := strings.IndexByte(p, '(')
	if i <= 0 || p[len(p)-1] != ')' {
		return "", "", false
	}
	return p[:i], p[i+1 : len(p)-1], true
}

// cutParameters cuts "[axes=(4,)]" off a primitive. Brackets without '=' are
// part of a name: "params['layers'][3]['q']".
func cutParameters(p string) string {
	if i := strings.IndexByte(p, '['); i > 0 && p[len(p)-1] == ']' && strings.IndexByte(p[i:], '=') > 0 {
		return p[:i]
	}
	return p
}

// isEinsum reports an equation such as "bthd,bshd->bhts" or "...a,ba->...b".
func isEinsum(p string) bool {
	if !strings.Contains(p, "->") {
		return false
	}
	for i := range len(p) {
		switch c := p[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == ',', c == '.', c == ' ', c == '-', c == '>':
		default:
			return false
		}
	}
	return true
}

// numbered reports prefix + digits + suffix.
func numbered(s, prefix, suffix string) bool {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return false
	}
	s, ok = strings.CutSuffix(s, suffix)
	for i := range len(s) {
		ok = ok && s[i] >= '0' && s[i] <= '9'
	}
	return ok && s != ""
}
