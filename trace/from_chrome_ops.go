// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// op finds the op of an event by name, HLO text and scope in its lane (programs
// share names such as fusion.1), or by module and name where the event says
// which HLO op it ran.
func (c *chromeReader) op(ln *lane, ev *chromejson.Event) OpID {
	h := maphash.Bytes(c.seed, ev.Name)
	names := &ln.names
	if ln.class == opLane {
		names = &c.ops
		h = h*31 + maphash.Bytes(c.seed, ev.Want[argHLOModule].Raw())
		h = h*31 + maphash.Bytes(c.seed, ev.Want[argHLOOp].Raw())
	} else if long := ev.Want[argLongName]; long != nil {
		h = h*31 + maphash.Bytes(c.seed, long)
		h = h*31 + maphash.Bytes(c.seed, ev.Want[argScope])
	}
	h |= 1
	id, at, ok := names.find(h)
	if ok {
		return id
	}
	if id = c.newOp(ev); c.rest != 0 && id == c.rest {
		return id
	}
	if ln.class == opLane {
		op := &c.t.Ops[id]
		if op.Long == "" {
			op.Long = op.Name
		}
		op.Name = c.argText(ev, argHLOOp)
		if module := c.argText(ev, argHLOModule); module != "" {
			op.Program = c.program(module)
		}
	}
	names.put(at, h, id)
	return id
}

func (c *chromeReader) argText(ev *chromejson.Event, arg int) string {
	return c.texts.value(ev.Want[arg])
}

func (c *chromeReader) sharedText(ev *chromejson.Event, arg int) string {
	return c.texts.shared(ev.Want[arg])
}

// maxNames bounds the distinct events of a JSON file.
const maxNames = 1 << 19

// beyond returns the op of events beyond maxNames, once there are that many.
func (c *chromeReader) beyond() (OpID, bool) {
	if len(c.t.Ops) < maxNames {
		return 0, false
	}
	c.t.find(Finding{Code: "too-many-ops", Severity: Warning, Message: fmt.Sprintf("more than %d distinct events; the rest share one row", maxNames)})
	if c.rest == 0 {
		c.rest = OpID(len(c.t.Ops))
		c.t.Ops = append(c.t.Ops, Op{Name: "(events beyond the limit)", Program: -1})
	}
	return c.rest, true
}

// newOp reads an op's facts from the first event of it. JSON drops program ids
// and FLOPs; model FLOPs and bytes are there.
func (c *chromeReader) newOp(ev *chromejson.Event) OpID {
	if rest, full := c.beyond(); full {
		return rest
	}
	op := Op{
		Name: c.unquote(ev.Name), Program: -1, Long: c.argText(ev, argLongName), Scope: c.sharedText(ev, argScope),
		Category: c.sharedText(ev, argCategory),
	}
	if strings.HasPrefix(op.Scope, "XlaModule:") {
		op.Scope = ""
	}
	for _, arg := range []int{argName, argAnnotation} {
		if v := ev.Want[arg]; v != nil && op.Scope == "" {
			if s := c.sharedText(ev, arg); strings.Contains(s, "/") {
				op.Scope = strings.TrimSuffix(s, "/")
			}
		}
	}
	if op.Category != "" {
		op.ModelFLOPs, _ = ev.Want[argModelFLOPs].Int()
		op.FLOPs = op.ModelFLOPs
		op.Bytes, _ = ev.Want[argBytes].Int()
		op.Source = c.sharedText(ev, argSource)
		op.Shape = c.sharedText(ev, argShape)
		op.Dedup = c.argText(ev, argDedup)
	}
	id := OpID(len(c.t.Ops))
	c.t.Ops = append(roomForOne(c.t.Ops), op)
	if len(ev.Cat) > 0 {
		c.torch.note(id, ev)
	}
	return id
}

// roomForOne doubles a full list. Ops are large: append, which adds a quarter, would
// move each of them four times over.
func roomForOne(ops []Op) []Op {
	if len(ops) < cap(ops) {
		return ops
	}
	return slices.Grow(ops, max(64, len(ops)))
}

func (c *chromeReader) program(name string) int {
	p, ok := c.programs[name]
	if !ok {
		p = len(c.t.Programs)
		base, id, _ := splitProgram(name)
		c.programs[name] = p
		c.t.Programs = append(c.t.Programs, Program{Name: base, ID: id, Host: c.host})
	}
	return p
}
