// SPDX-License-Identifier: Apache-2.0

package hlo

import "strings"

// Direction says to which pass of a training step work belongs.
type Direction uint8

// The directions. Work without a mark of differentiation is Forward.
const (
	Forward Direction = iota
	Backward
	Recompute
)

// Scope is a scope path without the wrappers that JAX's transformations put
// into it.
type Scope struct {
	Path      []string  // named scopes, outermost first
	Op        string    // the primitive: the last part ("dot_general")
	Program   string    // f of a leading jit(f)
	Direction Direction // forward, backward, recompute
}

// SplitScope splits an op_name at '/'.
func SplitScope(opName string) []string { return strings.Split(opName, "/") }

// FoldScope takes an op_name apart.
func FoldScope(path string) Scope {
	p := SplitScope(path)
	return Scope{Path: p[:len(p)-1], Op: p[len(p)-1]}
}
