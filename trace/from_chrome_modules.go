// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// finishTorch gives kernels their ops, once all launches are known: an op is a
// kernel as launched by one operator in one module.
func (c *chromeReader) finishTorch() {
	if !slices.ContainsFunc(c.order, func(ln *lane) bool { return ln.class == kernelLane }) {
		return
	}
	c.torchDevices()
	m := &moduleTree{nodes: map[string]*moduleNode{}, stacks: map[string]int32{}}
	stacks := c.launchStacks(m)
	m.label()
	type key struct {
		kernel OpID
		stack  int32
	}
	ops := make(map[key]OpID)
	first := c.firstLaunched(stacks)
	unlaunched := int64(0)
	for _, ln := range c.order {
		if ln.class != kernelLane {
			continue
		}
		for i, kernel := range ln.op {
			stack, ok := stacks[c.torch.launchOf(c, ln.links[i])]
			if !ok {
				stack = noStack
				unlaunched++
				if ln.start[i] < first[ln.pid] {
					stack = before
				}
			}
			k := key{kernel, stack}
			id, ok := ops[k]
			if !ok {
				var full bool
				if id, full = c.beyond(); !full {
					id = c.addOp(c.kernelOp(m, c.torch.kernels[kernel], stack))
				}
				ops[k] = id
			}
			ln.op[i] = id
		}
	}
	if unlaunched > 0 {
		c.t.find(Finding{Code: "unlaunched", Severity: Info, Count: unlaunched, Message: "kernels whose launch is not in the capture: their modules are unknown; those before the first that is are " + launchedBefore,
			Hint: "synchronise before the profiled step to keep the kernels of earlier ones out"})
	}
}

// Stacks of kernels without a launch.
const (
	noStack int32 = -1
	before  int32 = -2 // before the first kernel that was launched in the capture
)

// launchedBefore is the scope of kernels that the capture found in the queue.
const launchedBefore = "launched before the capture"

// firstLaunched returns when each GPU ran the first kernel with a known launch.
func (c *chromeReader) firstLaunched(stacks map[launch]int32) map[int64]Time {
	first := make(map[int64]Time)
	for _, ln := range c.order {
		for i, l := range ln.links {
			t, seen := first[ln.pid]
			if seen && t <= ln.start[i] {
				continue
			}
			if _, ok := stacks[c.torch.launchOf(c, l)]; ok {
				first[ln.pid] = ln.start[i]
			}
		}
	}
	return first
}

// launchOf returns the launch of a kernel, or none.
func (tr *torchReader) launchOf(c *chromeReader, l link) launch {
	if x, ok := tr.launches[l.correlation]; ok {
		return x
	}
	if x, ok := tr.flows[l.correlation]; ok {
		return x
	}
	return tr.externals[l.external]
}

// kernelOp describes a kernel in a stack.
func (c *chromeReader) kernelOp(m *moduleTree, k torchKernel, stack int32) Op {
	op := Op{Name: shortKernel(k.name), Long: k.name, Category: k.category, Program: -1}
	switch {
	case stack == before:
		op.Scope = launchedBefore + "/" + op.Name
		return op
	case stack < 0:
		return op
	}
	s := &m.list[stack]
	var parts []string
	for _, f := range s.frames {
		if f.node != nil {
			parts = append(parts, f.node.label)
		} else {
			parts = append(parts, f.text)
		}
	}
	if s.operator != "" {
		op.Name = s.operator
		if k.category != "kernel" {
			op.Name += " " + k.category // what an operator does beside its kernel
		}
		parts = append(parts, s.operator)
	}
	op.Scope = strings.Join(parts, "/")
	return op
}

// shortKernel cuts return type, namespaces, template arguments and parameters
// off a C++ kernel's name.
func shortKernel(name string) string {
	s := strings.TrimPrefix(name, "void ")
	if i := strings.IndexAny(s, "<("); i > 0 && !strings.HasPrefix(s, "Mem") {
		s = s[:i]
		if rest := name[strings.Index(name, s)+len(s):]; strings.HasPrefix(rest, "(anonymous namespace)::") {
			return shortKernel(rest[len("(anonymous namespace)::"):])
		}
	}
	if i := strings.LastIndex(s, "::"); i >= 0 && i+2 < len(s) {
		s = s[i+2:]
	}
	if s == "" {
		return name
	}
	return s
}

// A moduleTree is the modules that were called, by who called them first.
type moduleTree struct {
	nodes  map[string]*moduleNode // by instance: "Linear_7"
	roots  []*moduleNode
	stacks map[string]int32
	list   []launchStack
}

type moduleNode struct {
	class    string
	label    string // its part of a scope path; "layers/3" for a layer
	children []*moduleNode
	id       int
}

// A launchStack is what was open when something was launched.
type launchStack struct {
	frames   []stackFrame
	operator string // the innermost: "aten::mm"
}

type stackFrame struct {
	node *moduleNode // nil for an annotation
	text string
}

// launchStacks walks the host threads that launched something and returns the
// stack of each launch.
func (c *chromeReader) launchStacks(m *moduleTree) map[launch]int32 {
	want := make(map[*lane][]Time)
	for _, ln := range c.order {
		for _, l := range ln.links {
			if x := c.torch.launchOf(c, l); x.ln != nil {
				want[x.ln] = append(want[x.ln], x.at)
			}
		}
	}
	out := make(map[launch]int32)
	for _, ln := range c.order {
		at := want[ln]
		if len(at) == 0 {
			continue
		}
		ln.order()
		slices.Sort(at)
		w := stackWalk{c: c, m: m, ln: ln}
		for _, t := range slices.Compact(at) {
			out[launch{ln, t}] = w.stackAt(t)
		}
	}
	return out
}

// A stackWalk is a pass over one thread, by time.
type stackWalk struct {
	c    *chromeReader
	m    *moduleTree
	ln   *lane
	next int
	open []openCall
	key  []byte
}

type openCall struct {
	end  Time
	op   OpID
	kind torchKind
	node *moduleNode
}

// maxStack bounds how deep modules, annotations and operators are told apart:
// with deeper ones, a small file would give scope paths without end.
const maxStack = 64

// stackAt returns the number of the stack of calls that are open at t. Times
// must not go back.
func (w *stackWalk) stackAt(t Time) int32 {
	for ; w.next < w.ln.len() && w.ln.start[w.next] <= t; w.next++ {
		op := w.ln.op[w.next]
		kind := w.c.torch.kind(op)
		if kind == 0 {
			continue
		}
		start := w.ln.start[w.next]
		w.drop(start)
		if len(w.open) >= maxStack {
			continue
		}
		f := openCall{end: start.Add(w.ln.dur[w.next]), op: op, kind: kind}
		if kind == torchModule {
			f.node = w.m.call(strings.TrimPrefix(w.c.t.Ops[op].Name, modulePrefix), w.caller())
		}
		w.open = append(w.open, f)
	}
	w.drop(t)
	w.key = w.key[:0]
	for _, f := range w.open {
		w.key = strconv.AppendInt(append(w.key, ' '), int64(f.op), 10)
	}
	if n, ok := w.m.stacks[string(w.key)]; ok {
		return n
	}
	var s launchStack
	for _, f := range w.open {
		switch name := w.c.t.Ops[f.op].Name; f.kind {
		case torchModule:
			s.frames = append(s.frames, stackFrame{node: f.node})
		case torchAnnotation:
			s.frames = append(s.frames, stackFrame{text: name})
		default:
			s.operator = name
		}
	}
	n := int32(len(w.m.list))
	w.m.stacks[string(w.key)] = n
	w.m.list = append(w.m.list, s)
	return n
}

// drop takes calls that have ended by t off the stack.
func (w *stackWalk) drop(t Time) {
	w.open = slices.DeleteFunc(w.open, func(f openCall) bool { return f.end < t })
}

// caller returns the innermost module that is open.
func (w *stackWalk) caller() *moduleNode {
	for i := len(w.open) - 1; i >= 0; i-- {
		if w.open[i].node != nil {
			return w.open[i].node
		}
	}
	return nil
}

// call returns the node of a module instance, which belongs to its first caller.
func (m *moduleTree) call(instance string, by *moduleNode) *moduleNode {
	n := m.nodes[instance]
	if n != nil {
		return n
	}
	n = &moduleNode{class: instance}
	if i := strings.LastIndexByte(instance, '_'); i > 0 {
		if id, err := strconv.Atoi(instance[i+1:]); err == nil {
			n.class, n.id = instance[:i], id
		}
	}
	m.nodes[instance] = n
	if by != nil {
		by.children = append(by.children, n)
	} else {
		m.roots = append(m.roots, n)
	}
	return n
}

// label names the modules within their callers. Kineto knows classes and
// numbers instances over the whole model; what a module is called in its parent
// is not in the file. Several children of one class get an index; children whose
// class is that of a layer count as layers, all such classes together.
func (m *moduleTree) label() {
	labelSiblings(m.roots)
	for _, n := range m.nodes {
		labelSiblings(n.children)
	}
}

func labelSiblings(list []*moduleNode) {
	slices.SortStableFunc(list, func(a, b *moduleNode) int {
		if a.class != b.class {
			return 0
		}
		return cmp.Compare(a.id, b.id)
	})
	layers, classes := 0, make(map[string]int)
	for _, n := range list {
		classes[n.class]++
		if isLayer(n.class) {
			layers++
		}
	}
	layer, seen := 0, make(map[string]int)
	for _, n := range list {
		class := strings.ReplaceAll(n.class, "/", "|")
		switch {
		case layers > 1 && isLayer(n.class):
			n.label = fmt.Sprintf("layers/%d", layer)
			layer++
		case classes[n.class] > 1:
			n.label = fmt.Sprintf("%s_%d", class, seen[n.class])
			seen[n.class]++
		default:
			n.label = class
		}
	}
}

// isLayer says whether a class is named like a layer of a model: LlamaDecoderLayer,
// BertLayer, GPT2Block.
func isLayer(class string) bool {
	return strings.HasSuffix(class, "Layer") || strings.HasSuffix(class, "Block")
}
