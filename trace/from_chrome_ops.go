// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// op finds the op of an event by name, HLO text and scope in its lane (programs
// share names such as fusion.1), or by module and name where the event says
// which HLO op it ran.
func (c *chromeReader) op(ln *lane, ev *chromejson.Event) OpID {
	if ln.class != opLane {
		h := maphash.Bytes(c.seed, ev.Name)
		if long := ev.Want[argLongName]; long != nil {
			h = h*31 + maphash.Bytes(c.seed, long)
			h = h*31 + maphash.Bytes(c.seed, ev.Want[argScope])
		}
		id, ok := ln.names[h]
		if !ok {
			if id = c.newOp(ev); c.rest == 0 || id != c.rest {
				ln.names[h] = id
			}
		}
		return id
	}
	c.key = append(c.key[:0], ev.Want[argHLOModule].Raw()...)
	c.key = append(append(c.key, 0), ev.Want[argHLOOp].Raw()...)
	c.key = append(append(c.key, 0), ev.Name...)
	if id, ok := c.ops[string(c.key)]; ok {
		return id
	}
	id := c.newOp(ev)
	if c.rest != 0 && id == c.rest {
		return id
	}
	op := &c.t.Ops[id]
	if op.Long == "" {
		op.Long = op.Name
	}
	op.Name = c.argText(ev, argHLOOp)
	if module := c.argText(ev, argHLOModule); module != "" {
		op.Program = c.program(module)
	}
	c.ops[string(c.key)] = id
	return id
}

func (c *chromeReader) argText(ev *chromejson.Event, arg int) string {
	if ev.Want[arg] == nil {
		return ""
	}
	return string(ev.Want[arg].AppendText(c.text[:0]))
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
		Name: c.unquote(ev.Name), Program: -1, Long: c.argText(ev, argLongName), Scope: c.argText(ev, argScope),
		Category: c.argText(ev, argCategory),
	}
	if strings.HasPrefix(op.Scope, "XlaModule:") {
		op.Scope = ""
	}
	for _, arg := range []int{argName, argAnnotation} {
		if s := c.argText(ev, arg); op.Scope == "" && strings.Contains(s, "/") {
			op.Scope = strings.TrimSuffix(s, "/")
		}
	}
	if op.Category != "" {
		for key, val := range ev.Args.All() {
			switch string(key) {
			case "model_flops":
				op.ModelFLOPs, _ = val.Int()
				op.FLOPs = op.ModelFLOPs
			case "bytes_accessed":
				op.Bytes, _ = val.Int()
			case "source":
				op.Source = string(val.AppendText(nil))
			case "shape_with_layout":
				op.Shape = string(val.AppendText(nil))
			case "deduplicated_name":
				op.Dedup = string(val.AppendText(nil))
			}
		}
	}
	id := OpID(len(c.t.Ops))
	c.t.Ops = append(c.t.Ops, op)
	if len(ev.Cat) > 0 {
		c.torch.note(id, ev)
	}
	return id
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
