// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// flowStats are the event stats that tell producers and consumers, and which call
// launched a GPU's kernel.
var flowStats = []string{"_pt", "_p", "_ct", "_c", "correlation_id", flowKindStat}

const (
	flowProducerType = iota
	flowProducer
	flowConsumerType
	flowConsumer
	flowCorrelation
	flowKindText
)

// flowKindStat names the kind of a flow that is none of XLA's, on its consumer.
const flowKindStat = "layerscope_flow"

// contextKinds are the kinds of flows between producers and consumers by XLA's
// number of their context.
var contextKinds = []string{
	"generic", "legacy", "tf_executor", "tfrt_executor", "shared_batch_scheduler", "pjrt", "adaptive_shared_batch_scheduler", "tfrt_tpu_runtime",
	"tpu_embedding_engine", "gpu_launch", "batcher", "tpu_stream", "tpu_launch", "pathways_executor", "pjrt_library_call", "threadpool_event",
	"jax_serving_executor", "sc_offload",
}

const (
	gpuLaunch  = 9
	threadpool = 15 // tasks handed over in a pool: half of all events, and nobody's program
)

// xspaceFlows finds the flows of one XSpace, whenever they are asked for.
type xspaceFlows struct {
	base  int64
	lines []flowLine
}

type flowLine struct {
	track  int
	device bool
	pl     *xspace.Plane
	ln     *xspace.Line
}

// flowLine notes that the trace's last track is of a line. Its events are
// numbered as a scan yields them.
func (x *xspaceReader) flowLine(pl *xspace.Plane, ln *xspace.Line, device bool) {
	x.flows.lines = append(x.flows.lines, flowLine{len(x.t.Tracks) - 1, device, pl, ln})
}

type flowContext struct{ kind, id uint64 }

type flowSource struct {
	ref   EventRef
	start int64
}

type flowTarget struct {
	flowContext
	ref   EventRef
	start int64
	name  string
}

// each yields the flows: from the event that states it produces a context to those
// that consume it, and from the host's call to the kernel of its correlation id.
func (x *xspaceFlows) each(yield func(Flow) bool) error {
	sources := map[flowContext][]flowSource{}
	var targets []flowTarget
	for _, fl := range x.lines {
		if !fl.stated() {
			continue
		}
		err := scanAtOnce(fl.ln, xspace.ScanOptions{BaseNs: x.base, Want: flowStats}, func(b *xspace.Batch) bool {
			if !b.Found || b.Occurrences != nil { // events and sums have other numbers
				return true
			}
			for i := range b.Meta {
				fl.ends(b, i, sources, &targets)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	for _, list := range sources {
		slices.SortStableFunc(list, func(a, b flowSource) int { return cmp.Compare(a.start, b.start) })
	}
	for _, to := range targets {
		list := sources[to.flowContext]
		if len(list) == 0 {
			continue
		}
		n, _ := slices.BinarySearchFunc(list, to.start+1, func(s flowSource, t int64) int { return cmp.Compare(s.start, t) })
		from := list[max(0, n-1)].ref // the last before it, where an id is used again
		if from != to.ref && !yield(Flow{from, to.ref, to.name}) {
			return nil
		}
	}
	return nil
}

// stated says whether events of the line's plane can be ends of flows.
func (fl *flowLine) stated() bool {
	for i := range fl.pl.NumStats() {
		switch fl.pl.StatName(uint64(i)) {
		case "_p", "_c", "correlation_id":
			return true
		}
	}
	return false
}

// correlated is the context of launches by correlation id, beyond XLA's.
const correlated = 1 << 32

// ends notes what event i of a batch produces and consumes. Completion markers of
// CPU ops are left out.
func (fl *flowLine) ends(b *xspace.Batch, i int, sources map[flowContext][]flowSource, targets *[]flowTarget) {
	has := func(c int) bool { return b.Values[c].Kind[i] != xspace.NoValue }
	ref := EventRef{fl.track, int(b.First) + i}
	if has(flowProducer) && b.Values[flowProducerType].Bits[i] != threadpool {
		k := flowContext{b.Values[flowProducerType].Bits[i], b.Values[flowProducer].Bits[i]}
		sources[k] = append(sources[k], flowSource{ref, b.Start[i]})
	}
	if has(flowConsumer) && b.Values[flowConsumerType].Bits[i] != threadpool {
		if name, _ := fl.pl.EventName(b.Meta[i]); !strings.HasPrefix(name, "end: ") {
			k := flowContext{b.Values[flowConsumerType].Bits[i], b.Values[flowConsumer].Bits[i]}
			*targets = append(*targets, flowTarget{k, ref, b.Start[i], firstOf(b.Text(flowKindText, i), contextKind(k.kind))})
		}
	}
	if has(flowCorrelation) && b.Values[flowCorrelation].Bits[i] != 0 {
		k := flowContext{correlated, b.Values[flowCorrelation].Bits[i]}
		if fl.device {
			*targets = append(*targets, flowTarget{k, ref, b.Start[i], contextKinds[gpuLaunch]})
		} else {
			sources[k] = append(sources[k], flowSource{ref, b.Start[i]})
		}
	}
}

func contextKind(n uint64) string {
	if n < uint64(len(contextKinds)) {
		return contextKinds[n]
	}
	return fmt.Sprintf("context %d", n)
}

// contextOf returns the context that flows of a kind are written as: XLA's of that
// name, else the generic one.
func contextOf(kind string) uint64 {
	if n := slices.Index(contextKinds, kind); n > 0 && n != threadpool {
		return uint64(n)
	}
	return 0
}
