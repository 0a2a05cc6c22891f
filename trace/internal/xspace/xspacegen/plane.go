// SPDX-License-Identifier: Apache-2.0

package xspacegen

import (
	"fmt"
	"math/rand/v2"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// Ids of stat metadata. Ids below 128 take one byte, as in real captures.
const (
	statCategory = iota + 3
	statTfOp
	statFlops
	statBytes
	statProgram
	statSymbol
	statRun
	statQueue
	statHloOp
	statAsync
	statDeviceOffset   = 17
	statDeviceDuration = 18
	statScale          = 37
	statFirstRef       = 200 // interned strings from here on
)

var statNames = map[int64]string{
	statCategory: "hlo_category", statTfOp: "tf_op", statFlops: "flops", statBytes: "bytes_accessed",
	statProgram: "program_id", statSymbol: "symbol_id", statRun: "run_id", statQueue: "queue_id",
	statHloOp: "hlo_op", statAsync: "_a", statDeviceOffset: "device_offset_ps",
	statDeviceDuration: "device_duration_ps", statScale: "DVFS group",
}

// firstPs is where the first execution begins: late enough that offsets take
// seven bytes, as they do in captures of seconds.
const firstPs = 5_000_000_000_000

// An execution steps through the runs of the program, the same for each line.
type execution struct {
	pr    *program
	rng   *rand.Rand
	start []int64 // ps on the device clock, by op
	dur   []int64
	at    int64 // end of the program's run
	from  int64 // its begin
}

func (pr *program) executions(seed uint64) *execution {
	return &execution{pr: pr, rng: rand.New(rand.NewPCG(pr.seed, seed+7)), at: firstPs,
		start: make([]int64, len(pr.ops)), dur: make([]int64, len(pr.ops))}
}

// next computes the times of one more run: leaves vary by a quarter, parents last
// as long as their children and a little longer.
func (ex *execution) next() {
	ops := ex.pr.ops
	ex.at += 3_000_000 + int64(ex.rng.IntN(2_000_000))
	ex.from = ex.at
	clear(ex.dur)
	for i, o := range ops {
		if o.leaf {
			ex.dur[i] = int64(o.mean*(0.875+0.25*ex.rng.Float64()))/1250*1250 + 1250
		}
	}
	for i := len(ops) - 1; i >= 0; i-- {
		if !ops[i].leaf {
			ex.dur[i] += 2500
		}
		if p := ops[i].parent; p >= 0 {
			ex.dur[p] += ex.dur[i] + 1250
		}
	}
	// A child begins a gap behind its elder sibling, or behind its parent's begin.
	free := make([]int64, 0, 4)
	free = append(free, ex.at)
	for i, o := range ops {
		free = free[:o.depth+1]
		ex.start[i] = free[o.depth] + 1250
		free[o.depth] = ex.start[i] + ex.dur[i]
		free = append(free, ex.start[i])
	}
	ex.at = free[0]
}

// onHost maps a device time to the host's clock: a constant shift and a drift.
func onHost(ps int64) int64 { return ps + 40_000_000 + ps/100_000 }

func (pr *program) plane(pw *xspace.PlaneWriter, seed uint64, runs int) error {
	lines := []struct {
		name string
		body func(*xspace.LineWriter, *execution, int) error
	}{{"Steps", pr.step}, {"XLA Modules", pr.module}, {"XLA Ops", pr.opEvents}, {"Async XLA Ops", pr.async}}
	for i, ln := range lines {
		err := pw.Line(xspace.LineHead{ID: int64(1 + i), Name: ln.name}, func(lw *xspace.LineWriter) error {
			ex := pr.executions(seed)
			for n := range runs {
				ex.next()
				if err := ln.body(lw, ex, n); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := pr.eventMetadata(pw, runs); err != nil {
		return err
	}
	if err := pr.statMetadata(pw); err != nil {
		return err
	}
	return pw.Stat(&xspace.Stat{ID: statQueue, Kind: xspace.Int, Bits: 1})
}

func (pr *program) moduleID() int64 { return int64(len(pr.metas) + 1) }
func (pr *program) stepID() int64   { return int64(len(pr.metas) + 2) }

func (pr *program) step(lw *xspace.LineWriter, ex *execution, n int) error {
	return lw.Event(&xspace.Event{MetadataID: pr.stepID(), OffsetPs: onHost(ex.from), DurationPs: ex.at - ex.from,
		Stats: pair(nil, ex.from, ex.at-ex.from)})
}

func (pr *program) module(lw *xspace.LineWriter, ex *execution, n int) error {
	stats := []xspace.Stat{{ID: statRun, Kind: xspace.Int, Bits: uint64(n + 1)}, {ID: statQueue, Kind: xspace.Int}}
	return lw.Event(&xspace.Event{MetadataID: pr.moduleID(), OffsetPs: onHost(ex.from), DurationPs: ex.at - ex.from,
		Stats: pair(stats, ex.from, ex.at-ex.from)})
}

func pair(stats []xspace.Stat, offset, duration int64) []xspace.Stat {
	return append(stats, xspace.Stat{ID: statDeviceOffset, Kind: xspace.Uint, Bits: uint64(offset)},
		xspace.Stat{ID: statDeviceDuration, Kind: xspace.Uint, Bits: uint64(duration)})
}

func (pr *program) opEvents(lw *xspace.LineWriter, ex *execution, n int) error {
	var ev xspace.Event
	for i, o := range pr.ops {
		ev.MetadataID, ev.OffsetPs = o.meta, onHost(ex.start[i])
		ev.DurationPs = ex.dur[i] + ex.dur[i]/100_000
		ev.Stats = pair(ev.Stats[:0], ex.start[i], ex.dur[i])
		if (i+n)%3 == 0 {
			ev.Stats = append(ev.Stats, xspace.Stat{ID: statScale, Kind: xspace.Uint, Bits: uint64(4096 + i)})
		}
		if err := lw.Event(&ev); err != nil {
			return err
		}
	}
	return nil
}

// async writes copies that begin at their copy-start and outlast several ops.
func (pr *program) async(lw *xspace.LineWriter, ex *execution, n int) error {
	for _, i := range pr.copies {
		m := pr.metas[pr.ops[i].meta-1]
		stats := []xspace.Stat{{ID: statHloOp, Kind: xspace.String, Raw: []byte(m.short)}, {ID: statAsync, Kind: xspace.Int, Bits: 1}}
		err := lw.Event(&xspace.Event{MetadataID: pr.ops[i].meta, OffsetPs: onHost(ex.start[i]), DurationPs: 40_000_000,
			Stats: append(stats, xspace.Stat{ID: statDeviceDuration, Kind: xspace.Uint, Bits: 39_999_000})})
		if err != nil {
			return err
		}
	}
	return nil
}

const programID = 12190760917235803885 // as int64 negative

func (pr *program) eventMetadata(pw *xspace.PlaneWriter, runs int) error {
	for i, m := range pr.metas {
		id := int64(i + 1)
		em := xspace.EventMeta{Key: id, ID: id, DisplayName: m.short,
			Name: fmt.Sprintf("%%%s = bf16[8,1024,4096]{2,1,0:T(8,128)(2,1)S(1)} %s(bf16[8,1024,4096]{2,1,0} %%p.%d, bf16[4096,4096]{1,0} %%w.%d), kind=kOutput, calls=%%fused.%d",
				m.short, m.category, i, i, i),
			Stats: []xspace.Stat{
				{ID: statCategory, Kind: xspace.Ref, Bits: uint64(statFirstRef + 2*i)},
				{ID: statTfOp, Kind: xspace.Ref, Bits: uint64(statFirstRef + 2*i + 1)},
				{ID: statFlops, Kind: xspace.Uint, Bits: m.flops}, {ID: statBytes, Kind: xspace.Uint, Bits: m.bytes},
				{ID: statProgram, Kind: xspace.Uint, Bits: programID}, {ID: statSymbol, Kind: xspace.Uint, Bits: uint64(i)}}}
		if err := pw.EventMeta(&em); err != nil {
			return err
		}
	}
	module := xspace.EventMeta{Key: pr.moduleID(), ID: pr.moduleID(), Name: fmt.Sprintf("jit_score(%d)", uint64(programID))}
	if err := pw.EventMeta(&module); err != nil {
		return err
	}
	return pw.EventMeta(&xspace.EventMeta{Key: pr.stepID(), ID: pr.stepID(), Name: "0"})
}

func (pr *program) statMetadata(pw *xspace.PlaneWriter) error {
	put := func(id int64, name string) error {
		return pw.StatMeta(&xspace.StatMeta{Key: id, ID: id, Name: name})
	}
	for id := int64(0); id < statFirstRef; id++ {
		if name := statNames[id]; name != "" {
			if err := put(id, name); err != nil {
				return err
			}
		}
	}
	for i, m := range pr.metas {
		if err := put(int64(statFirstRef+2*i), m.category); err != nil {
			return err
		}
		if err := put(int64(statFirstRef+2*i+1), m.scope+":"); err != nil {
			return err
		}
	}
	return nil
}
