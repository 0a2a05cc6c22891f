// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
	"github.com/layerscope/layerscope/trace/internal/inflate"
)

// chromeArgs are the args read of every event, all strings in JAX's files.
var chromeArgs = []string{
	"device_offset_ps", "device_duration_ps", "run_id", "device_ordinal", "step_num", "hlo_op", "hlo_module",
	"long_name", "tf_op", "hlo_category", "name", "annotation", "correlation", "External id",
	"model_flops", "bytes_accessed", "source", "shape_with_layout", "deduplicated_name",
	"Bytes", "Addr", "Device Type", "Device Id", "Total Allocated", "Total Reserved",
}

const (
	argOffset = iota
	argDuration
	argRun
	argOrdinal
	argStep
	argHLOOp
	argHLOModule
	argLongName
	argScope
	argCategory
	argName
	argAnnotation
	argCorrelation
	argExternal
	argModelFLOPs
	argBytes
	argSource
	argShape
	argDedup
	argMemory                 // first of six
	argCount  = argMemory + 6 // of chromeArgs
)

// The caps that JAX and XProf put on the number of events: the earliest are
// kept, and nothing in the file says so.
var eventCaps = [...]int64{1_000_000, 5_000_000}

// A chromeReader maps Trace Event JSON onto a Trace: that of JAX and XLA, of
// PyTorch's Kineto, of our own writer, and any other.
type chromeReader struct {
	t    *Trace
	rd   *chromejson.Reader // for what is known at the end
	in   *input
	host string

	events interface {
		Next() (*chromejson.Event, error)
		Origin() int64 // of the events so far
	}
	opts Options

	processes map[int64]*process
	lanes     map[chromeLane]*lane
	last      *lane
	order     []*lane
	ops       opTable // shared by the threads of a CPU backend, by module and op
	rest      OpID    // of events beyond maxNames; 0 = not needed yet
	threads   int     // with names
	crowded   bool    // there are more lanes than maxTracks
	programs  map[string]int
	seed      maphash.Seed
	texts     textStore
	drafts    opDrafts // ops that are not in the trace yet
	key       []byte
	complete  int64      // X events
	mine      *ownReader // nil until an event says that we wrote the file

	ids     map[string]int64 // of processes and threads named by strings
	flows   []flowMark
	pairs   pairing
	torch   torchReader
	skipped [256]int64 // events of phases that nothing is made of
}

type process struct {
	name    string
	labels  string // of the metadata event process_labels: "GPU 0"
	threads map[int64]string
}

type chromeLane struct {
	pid, tid, ordinal int64
	class             laneClass
}

// A laneClass tells apart what one thread of the file holds.
type laneClass uint8

const (
	plainLane      laneClass = iota
	opLane                   // events with hlo_op, which a host thread has among others
	kernelLane               // PyTorch: kernels, copies and sets of a GPU's stream
	annotationLane           // PyTorch: what annotations of the host cover on a stream
	instantLane
	asyncLane
	counterLane
)

// A lane is one track in the making.
type lane struct {
	chromeLane
	columns
	kind  Kind
	names opTable
	only  OpID // of a counter
	runs  bool
	spilt int    // n-th lane of events that overlap those of the thread's; 0 = its own
	title string // of async and counter lanes, whose thread has no name
	marks []mark // begins and ends, in file order
	steps []Step
	links []link // of kernels, by event
}

// fromChrome adds the events of a Trace Event JSON document to t.
func fromChrome(t *Trace, in *input, opts Options) error {
	host := in.host
	c := &chromeReader{seed: maphash.MakeSeed(), texts: textStore{seed: maphash.MakeSeed()}, t: t, host: host, opts: opts, processes: map[int64]*process{}, lanes: map[chromeLane]*lane{}, programs: map[string]int{}}
	rd, stop := c.open(in)
	defer stop()
	for {
		ev, err := c.events.Next()
		if err != nil {
			if err = c.end(rd, err); err != nil {
				return err
			}
			break
		}
		if ev.Ph == 'X' && ev.HasTs {
			c.complete++
			c.slice(ev)
			continue
		}
		c.other(ev)
	}
	c.settle()
	c.countSkipped()
	if c.t.Origin == 0 {
		c.t.Origin = rd.Origin()*1000 + c.base(rd)
	}
	if c.mine != nil {
		if err := c.mine.finish(); err != nil || len(c.order) == 0 {
			return err
		}
	}
	if !containsString(t.Hosts, host) {
		t.Hosts = append(t.Hosts, host)
	}
	c.finish()
	return nil
}

// open starts reading: of a gzip input, inflating, scanning and what is made of
// events run side by side.
func (c *chromeReader) open(in *input) (rd *chromejson.Reader, stop func()) {
	c.in = in
	opts := chromejson.Options{Want: slices.Concat(chromeArgs, ownArgs)}
	if in.gzip == nil {
		c.rd = chromejson.NewReader(in.r, opts)
		c.events = c.rd
		return c.rd, func() {}
	}
	blocks := newPipeline(in, 5)
	ahead := chromejson.NewAhead(blocks, opts)
	c.rd, c.events = ahead.Reader, ahead
	return c.rd, func() {
		blocks.ahead.Stop() // the scanner may wait for a block
		ahead.Close()
		blocks.close()
	}
}

func containsString(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// end turns what stopped the reader and what it read around into findings. A
// document cut short is usable; one that cannot be followed is if it had events.
func (c *chromeReader) end(rd *chromejson.Reader, err error) error {
	if err != io.EOF {
		var bad *InputError
		switch {
		case errors.Is(err, inflate.ErrLimit):
			return tooLarge(c.opts.MaxDecompressed)
		case errors.As(err, &bad) || rd.Events() == 0:
			return err
		}
		c.t.find(Finding{Code: "truncated", Severity: Error, Message: "reading stopped: " + err.Error(), Hint: "all whole events before it were kept"})
	}
	if rd.Events() == 0 && len(rd.Members()) > 0 {
		if _, ok := rd.Member("traceEvents"); !ok {
			return &InputError{Msg: fmt.Sprintf("JSON without traceEvents (its first key is %q), wanted Trace Event JSON", rd.Members()[0].Key),
				Hint: "XProf's tables are read as a directory of them"}
		}
	}
	for _, p := range rd.Problems() {
		f := Finding{Code: "damaged", Severity: Warning, Count: p.Count, Message: p.String(), Hint: "what could not be read was left out and counted"}
		switch p.Code {
		case chromejson.Truncated:
			f.Code, f.Severity, f.Hint = "truncated", Error, "all whole events were kept; copy the file again, or capture less"
		case chromejson.Unclosed, chromejson.ExtraComma, chromejson.TextAfterEnd, chromejson.MissingComma:
			f.Code, f.Severity, f.Hint = "json-form", Info, "nothing was lost"
		}
		c.t.find(f)
	}
	for _, limit := range eventCaps {
		if c.complete == limit || rd.Events()-rd.Empty() == limit {
			c.t.find(Finding{Code: "event-cap", Severity: Error,
				Message: fmt.Sprintf("exactly %d events: the exporter's cap, which keeps the earliest and drops the rest", limit),
				Hint:    "read the .xplane.pb of the same session, which has no cap; or capture less (python_tracer_level 0)"})
		}
	}
	return nil
}
