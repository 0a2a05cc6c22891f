// SPDX-License-Identifier: Apache-2.0

package chromejson

// Event is one element of the traceEvents array. Its slices point into the
// reader's window and are valid until the next call of [Reader.Next].
//
// If a key occurs twice in an event, the later one counts.
type Event struct {
	Ph     byte // phase: the first byte of "ph"
	HasTs  bool
	HasDur bool

	// Name and Cat are the bytes between the quotes, escapes included: equal
	// names mean equal bytes within one writer's file. See [Unquote].
	Name, Cat []byte

	// Ts and Dur are picoseconds, 0 if absent; Ts counts from [Reader.Origin].
	// Metadata events (phase M) have no Ts, whatever their writer put there.
	Ts, Dur int64

	Pid, Tid ID

	// Args is the raw value of "args", normally an object; nil if absent.
	Args Value

	// Fields are all other members (id, id2, bind_id, bp, s, tts, tdur, cname,
	// sf, stack, …) in file order.
	Fields []Field

	// Offset is the place of the event's opening brace in the input, in bytes.
	Offset int64

	view []byte // what want points into; nil if there are no args
	want []span // by key of Options.Want; without pointers, so that they cost little to set and to clear
}

// span is a part of an event's view; the zero value is none.
type span struct{ from, to uint32 }

// Want returns the raw value of a key of [Options.Want], given by its index, as it
// was found in Args; nil if it is absent.
func (ev *Event) Want(key int) Value {
	s := ev.want[key]
	if s.to == 0 {
		return nil
	}
	return Value(ev.view[s.from:s.to:s.to])
}

// Field is one member of an object: the key's bytes between the quotes and the
// raw value.
type Field struct {
	Key []byte
	Val Value
}

// Field returns the raw value of a member outside the fixed ones.
func (ev *Event) Field(key string) (Value, bool) {
	for i := len(ev.Fields) - 1; i >= 0; i-- {
		if keyIs(ev.Fields[i].Key, key) {
			return ev.Fields[i].Val, true
		}
	}
	return nil, false
}

// ID is a process or thread id: an integer in most files, a string in Kineto's
// ("Spans", "PyTorch Profiler (0)").
type ID struct {
	// Kind is None if the member is absent, String or Number otherwise.
	Kind Kind
	// Num is the integer; 0 for a string, a fraction or a number beyond int64.
	Num int64
	// Text is the string between its quotes, or the digits of a number that
	// Num cannot hold; nil for plain integers.
	Text []byte
}

func (ev *Event) reset() {
	ev.Ph, ev.HasTs, ev.HasDur = 0, false, false
	ev.Name, ev.Cat = nil, nil
	ev.Ts, ev.Dur = 0, 0
	ev.Pid, ev.Tid = ID{}, ID{}
	ev.Args = nil
	if ev.view != nil {
		ev.view = nil
		clear(ev.want)
	}
	ev.Fields = ev.Fields[:0]
}
