// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

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
		h = h*31 + maphash.Bytes(c.seed, ev.Want(argHLOModule).Raw())
		h = h*31 + maphash.Bytes(c.seed, ev.Want(argHLOOp).Raw())
	} else if long := ev.Want(argLongName); long != nil {
		h = h*31 + maphash.Bytes(c.seed, long)
		h = h*31 + maphash.Bytes(c.seed, ev.Want(argScope))
	}
	h |= 1
	id, at, ok := names.find(h)
	if ok {
		return id
	}
	id, full := c.beyond()
	if !full {
		id = c.newOp(ln, ev)
		names.put(at, h, id)
	}
	return id
}

func (c *chromeReader) argText(ev *chromejson.Event, arg int) string {
	return c.texts.at(c.texts.value(ev.Want(arg)))
}

func (c *chromeReader) unquote(raw []byte) string {
	return c.texts.at(c.texts.text(raw))
}

// maxNames bounds the distinct events of a JSON file.
const maxNames = 1 << 19

// beyond returns the op of events beyond maxNames, once there are that many.
func (c *chromeReader) beyond() (OpID, bool) {
	if len(c.t.Ops)+c.drafts.n < maxNames {
		return 0, false
	}
	c.t.find(Finding{Code: "too-many-ops", Severity: Warning, Message: fmt.Sprintf("more than %d distinct events; the rest share one row", maxNames)})
	if c.rest == 0 {
		c.rest = c.addOp(Op{Name: "(events beyond the limit)", Program: -1})
	}
	return c.rest, true
}

// An opDraft is an op whose texts are in the store: a capture of one step has
// thousands of ops that occur once, and a list of records without pointers grows
// for little.
//
// Note: with an allocation for each text, and Trace.Ops grown by append, 10,000
// ops in 11 MB of JSON took 9 ms beside the 3 of scanning them; with texts in a
// store and Trace.Ops doubled, 4; with drafts 3.
type opDraft struct {
	name, long, scope, category, source, shape, dedup textRef

	program           int32
	modelFLOPs, bytes int64
}

// newOp reads an op's facts from the first event of it. JSON drops program ids
// and FLOPs; model FLOPs and bytes are there.
func (c *chromeReader) newOp(ln *lane, ev *chromejson.Event) OpID {
	s := &c.texts
	d := opDraft{
		name: s.text(ev.Name), program: -1, long: s.value(ev.Want(argLongName)), scope: s.shared(ev.Want(argScope)),
		category: s.shared(ev.Want(argCategory)),
	}
	if strings.HasPrefix(s.at(d.scope), "XlaModule:") {
		d.scope = textRef{}
	}
	for _, arg := range [...]int{argName, argAnnotation} {
		if ev.Want(arg) == nil || d.scope.n > 0 {
			continue
		}
		ref := s.shared(ev.Want(arg))
		if text := s.at(ref); strings.Contains(text, "/") {
			d.scope = ref
			if strings.HasSuffix(text, "/") {
				d.scope.n--
			}
		}
	}
	if d.category.n > 0 {
		d.modelFLOPs, _ = ev.Want(argModelFLOPs).Int()
		d.bytes, _ = ev.Want(argBytes).Int()
		d.source, d.shape, d.dedup = s.shared(ev.Want(argSource)), s.shared(ev.Want(argShape)), s.value(ev.Want(argDedup))
	}
	if ln.class == opLane {
		if d.long.n == 0 {
			d.long = d.name
		}
		d.name = s.value(ev.Want(argHLOOp))
		if module := ev.Want(argHLOModule); len(module.Raw()) > 0 {
			d.program = int32(c.program(c.argText(ev, argHLOModule)))
		}
	}
	id := OpID(len(c.t.Ops) + c.drafts.n)
	c.drafts.add(&d)
	if c.mine != nil {
		c.settle() // lines of the text form add ops in between
	}
	if len(ev.Cat) > 0 {
		c.torch.note(id, ev)
	}
	return id
}

// addOp adds an op at once.
func (c *chromeReader) addOp(op Op) OpID {
	c.settle()
	id := OpID(len(c.t.Ops))
	c.t.Ops = append(c.t.Ops, op)
	return id
}

// settle makes ops of the drafts. Only then may Trace.Ops be used.
func (c *chromeReader) settle() {
	if c.drafts.n == 0 {
		return
	}
	ops := slices.Grow(c.t.Ops, c.drafts.n)[:len(c.t.Ops)+c.drafts.n]
	lists, half := c.drafts.lists, len(c.drafts.lists)/2
	early, late := ops[len(c.t.Ops):], ops[len(c.t.Ops):]
	for _, list := range lists[:half] {
		late = late[len(list):]
	}
	var other sync.WaitGroup
	if half > 0 { // the other core has nothing left to do
		other.Go(func() { c.texts.settle(early, lists[:half]) })
	}
	c.texts.settle(late, lists[half:])
	other.Wait()
	c.t.Ops, c.drafts = ops, opDrafts{}
}

func (s *textStore) settle(ops []Op, lists [][]opDraft) {
	for _, list := range lists {
		for i := range list {
			d := &list[i]
			ops[i] = Op{
				Name: s.at(d.name), Long: s.at(d.long), Scope: s.at(d.scope), Category: s.at(d.category), Program: int(d.program),
				Source: s.at(d.source), Shape: s.at(d.shape), Dedup: s.at(d.dedup),
				FLOPs: d.modelFLOPs, ModelFLOPs: d.modelFLOPs, Bytes: d.bytes,
			}
		}
		ops = ops[len(list):]
	}
}

// opDrafts is a list that grows without being moved.
type opDrafts struct {
	lists [][]opDraft
	n     int
}

func (l *opDrafts) add(d *opDraft) {
	k := len(l.lists) - 1
	if k < 0 || len(l.lists[k]) == cap(l.lists[k]) {
		l.lists = append(l.lists, make([]opDraft, 0, min(256, max(16, l.n))))
		k++
	}
	l.lists[k] = append(l.lists[k], *d)
	l.n++
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
