// SPDX-License-Identifier: Apache-2.0

// Package program describes one forward pass of a decoder as a list of named
// segments: for each its scope path, the operation, the values it reads and
// writes with their shapes, the weights it uses, and the floating-point
// operations and bytes it costs. A backend executes that form, whatever it is:
// the CPU one runs a kernel per segment, an accelerator's emits one program
// whose instructions carry the scope paths.
//
// A Program is made for one Shape, so that everything about it is known before
// it runs; what differs between two runs of it is in Inputs.
//
//	p, err := program.Build(cfg, program.Shape{Phase: "prefill", Tokens: 128, Rows: 1})
//	for _, s := range p.Segments {
//		fmt.Println(s.Scope, s.FLOPs)
//	}
package program

import "fmt"

// Op is what a segment computes. Values are matrices with one row a token
// unless an operation says otherwise.
type Op uint8

// The operations. In and Out are the segment's values.
const (
	Embed     Op = iota // Out = rows of the embedding at Inputs.IDs
	Scale               // Out *= Factor
	Norm                // Out = RMSNorm(In0); weights [cols]
	Linear              // Out = In0 · weightsᵀ, plus bias
	LinearAdd           // Out += In0 · weightsᵀ, plus bias
	HeadNorm            // Out: RMSNorm over each of the first heads of every row
	Rotate              // Out: rotary embedding of query and key heads
	Store               // Cache rows [0, In0.Rows) of the layer = key and value columns of In0
	Attend              // Out = attention over In0's query, key and value columns, after the cached ones
	Gate                // Out = act(In0 first half) · second half
	Add                 // Out += In0
	Pick                // Out = rows of In0 at Inputs.Rows
	Softcap             // Out = Factor · tanh(Out / Factor)
	LogProb             // Out[i,j] = In0[i,label j] - logsumexp(In0[i])
)

var opNames = [...]string{"embed", "scale", "rms_norm", "dot", "dot_add", "head_norm", "rope", "copy", "attention", "gate", "add", "gather", "softcap", "log_prob"}

func (o Op) String() string { return opNames[o] }

// Category is the HLO category that profilers group operations by.
func (o Op) Category() string {
	switch o {
	case Linear, LinearAdd:
		return "convolution fusion" // what XLA calls matrix products on a TPU
	case Attend:
		return "custom-call"
	case Embed, Pick:
		return "gather"
	case Store:
		return "copy"
	default:
		return "loop fusion"
	}
}

// Value is an index in Program.Values.
type Value int

// None is the absent value.
const None Value = -1

// Buffer is a value's shape and purpose.
type Buffer struct {
	Name       string
	Scope      string // where it is made first
	Rows, Cols int
	Kind       string // as package arena's kinds
}

// Bytes is the buffer's size: values are float32.
func (b Buffer) Bytes() int64 { return 4 * int64(b.Rows) * int64(b.Cols) }

// Weight names what a segment reads of the model: Layer -1 is outside of the
// layers.
type Weight struct {
	Layer int
	Role  string // "qkv", "output", "gate_up", "down", "input_norm", …
}

func (w Weight) String() string {
	if w.Layer < 0 {
		return w.Role
	}
	return fmt.Sprintf("layer_%02d/%s", w.Layer, w.Role)
}

// Segment is one operation of the program.
type Segment struct {
	Scope  string // "score/prefill/layer_03/attention/qkv_proj"
	Op     Op
	Layer  int // -1 outside of the layers
	In     Value
	Out    Value
	Weight Weight // Role "" for none
	Factor float64
	// First and Count are the rows of In (Pick, head) that a blocked segment
	// works on; Count is Out's rows otherwise.
	First, Count int
	Window       int // of Attend
	Free         []Value
	FLOPs, Bytes int64
	Detail       string // shapes, for op tables
}

// Shape is what a program is compiled for.
type Shape struct {
	Phase  string // "prefill" or "extend"
	Tokens int    // rows, padding included
	Rows   int    // scored rows; 0 for a pass that only fills the cache
	Labels int
	Cache  int  // rows of cached keys that the pass reads
	Store  bool // the pass keeps its keys and values
}

// Key names a shape in logs and compile events.
func (s Shape) Key() string {
	return fmt.Sprintf("%s/tokens=%d,rows=%d,labels=%d,cache=%d,store=%t", s.Phase, s.Tokens, s.Rows, s.Labels, s.Cache, s.Store)
}

// Program is one forward pass.
type Program struct {
	Shape    Shape
	Values   []Buffer
	Segments []Segment
	Output   Value // log-probabilities [Rows, Labels]; None without rows
}

// FLOPs is the sum over segments.
func (p *Program) FLOPs() int64 {
	n := int64(0)
	for i := range p.Segments {
		n += p.Segments[i].FLOPs
	}
	return n
}

// Run is a stretch of tokens that belong together: the shared prefix (Item
// false) or one item. A token sees the prefix's tokens and its own run's up to
// itself. Tokens in no run are padding.
type Run struct {
	First, Len int
	Item       bool
}

// Inputs is what differs between two executions of a program.
type Inputs struct {
	IDs       []int32 // Shape.Tokens
	Positions []int32 // Shape.Tokens
	Runs      []Run
	Rows      []int32 // Shape.Rows indices of tokens
	Labels    []int32 // Shape.Labels ids
	Cache     Cache   // read by Attend, filled by Store
}

// Cache holds keys and values of a prefix for every layer.
type Cache interface {
	Len() int // tokens
	Release() // may be called twice
}
