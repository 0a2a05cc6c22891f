// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// WriteXSpace writes a trace as an XSpace (*.xplane.pb) that XProf and this
// package read: device planes with the facts of ops as XLA states them, host
// threads, HLO modules, and the session's times and metadata. An XSpace is of one
// host: with several, Host says which.
//
// CPU devices are written as JAX does, as events of host threads that name their
// HLO op, where HLO says everything about the ops; else as a device plane.
// XProfCompat writes them as TPUs.
//
// What an XSpace has no place for is lost: findings, allocator events, categories
// of kernels without HLO, steps of GPUs, all but one of the flows that lead to one
// event.
func WriteXSpace(w io.Writer, t *Trace, opts XSpaceOptions) error {
	s := &modelWriter{t: t, opts: opts, w: xspace.NewWriter(w)}
	switch {
	case s.opts.Host == "" && len(t.Hosts) > 1:
		return fmt.Errorf("%d hosts (%s), wanted one: an XSpace is of one host", len(t.Hosts), strings.Join(t.Hosts, ", "))
	case s.opts.Host == "" && len(t.Hosts) == 1:
		s.opts.Host = t.Hosts[0]
	}
	if err := s.collectFlows(); err != nil {
		return err
	}
	if err := s.modules(); err != nil {
		return err
	}
	for i := range t.Devices {
		if t.Devices[i].Host != s.opts.Host || s.onHost(i) {
			continue
		}
		if err := s.device(i); err != nil {
			return err
		}
	}
	if err := s.host(); err != nil {
		return err
	}
	if err := s.environment(); err != nil {
		return err
	}
	if err := s.messages(); err != nil {
		return err
	}
	if s.opts.Host == "" {
		s.opts.Host, _ = os.Hostname() // the name is a comfort
	}
	if err := s.w.Hostname(s.opts.Host); err != nil {
		return err
	}
	return s.w.Close()
}

type modelWriter struct {
	t     *Trace
	opts  XSpaceOptions
	w     *xspace.Writer
	plane int64

	flows  []Flow
	ends   flowEnds
	source []int // of each flow, the first one of the event that it begins at
}

func (s *modelWriter) nextPlane() int64 {
	s.plane++
	return s.plane
}

// modules writes the programs, with their HLO where the trace has its bytes.
func (s *modelWriter) modules() error {
	t := &planeTable{}
	return s.w.Plane(s.nextPlane(), "/host:metadata", func(pw *xspace.PlaneWriter) error {
		for i := range s.t.Programs {
			p := &s.t.Programs[i]
			if p.Host != "" && p.Host != s.opts.Host {
				continue
			}
			em := xspace.EventMeta{Key: int64(p.ID), ID: int64(p.ID), Name: programName(*p), Stats: []xspace.Stat{t.uint("program_id", p.ID)}}
			if p.raw != nil {
				em.Stats = append(em.Stats, xspace.Stat{ID: t.stats.id("Hlo Proto"), Kind: xspace.Bytes, Raw: p.raw})
			}
			if err := pw.EventMeta(&em); err != nil {
				return err
			}
		}
		return t.writeStats(pw)
	})
}

// environment writes the session's times and metadata.
func (s *modelWriter) environment() error {
	t := &planeTable{}
	var stats []xspace.Stat
	if s.t.Origin > 0 {
		stats = append(stats, t.uint("profile_start_time", uint64(s.t.Origin)), t.uint("profile_stop_time", uint64(s.t.Origin+int64(s.t.Wall)/1000)))
	}
	facts := maps.Clone(s.t.Metadata)
	if s.opts.XProfCompat {
		facts[syntheticKey] = syntheticText
	}
	for _, k := range slices.Sorted(maps.Keys(facts)) {
		stats = append(stats, t.text(k, facts[k]))
	}
	return s.w.Plane(s.nextPlane(), "Task Environment", func(pw *xspace.PlaneWriter) error {
		if err := t.writeStats(pw); err != nil {
			return err
		}
		for i := range stats {
			if err := pw.Stat(&stats[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// messages writes what the profiler itself had said.
func (s *modelWriter) messages() error {
	for _, m := range []struct {
		code, prefix string
		write        func(string) error
	}{{"profiler-error", "the profiler reported: ", s.w.Error}, {"profiler-warning", "the profiler warned: ", s.w.Warning}} {
		for _, f := range s.t.Findings {
			if f.Code != m.code {
				continue
			}
			if err := m.write(strings.TrimPrefix(f.Message, m.prefix)); err != nil {
				return err
			}
		}
	}
	return nil
}

// onHost says whether a device's ops are written as events of host threads: a
// CPU whose ops say nothing that is not in their HLO.
func (s *modelWriter) onHost(device int) bool {
	d := &s.t.Devices[device]
	if d.Kind != "cpu" || s.opts.XProfCompat || strings.HasPrefix(d.Name, "/device:") {
		return false
	}
	known := make(map[string]bool)
	for i := range s.t.Programs {
		known[s.t.Programs[i].Name] = true
	}
	for _, tr := range s.t.Tracks {
		if tr.Device != device {
			continue
		}
		for b, err := range tr.Batches() {
			if err != nil || b.Count != nil {
				return false
			}
			for _, id := range b.Op {
				op := &s.t.Ops[id]
				if op.Instruction == nil && (op.Scope != "" || op.Category != "" || op.FLOPs != 0) {
					return false
				}
				if op.Instruction != nil && s.t.Programs[op.Program].raw == nil {
					return false
				}
			}
		}
	}
	return true
}

// devicePlane names the plane of a device.
func (s *modelWriter) devicePlane(d *Device) string {
	switch {
	case s.opts.XProfCompat && d.Kind == "cpu":
		return planeName("tpu", d.Ordinal)
	case strings.HasPrefix(d.Name, "/device:"):
		return d.Name
	}
	return planeName(d.Kind, d.Ordinal)
}

// lineNames are what the lines of a device are called, by what is on them.
var lineNames = map[Kind]string{Ops: "XLA Ops", Modules: "XLA Modules", StepLine: "Steps", Async: "Async XLA Ops", Counter: counterLine}

// derivedID is the id of the first line that is derived from others.
const derivedID = -559038737

// lineOf returns the name and id that tell a reader what the line holds.
func lineOf(tr *Track, n int, gpu bool) xspace.LineHead {
	head := xspace.LineHead{ID: int64(n + 1), Name: tr.Name}
	is := lineKind(&xspace.Line{ID: head.ID, Name: tr.Name})
	want, standard := lineNames[tr.Kind]
	switch {
	case tr.Kind == Stream && !strings.HasPrefix(tr.Name, "Stream #"):
		head.Name = "Stream #" + strings.TrimPrefix(tr.Name, "stream ")
	case tr.Kind == Derived && (is == Other || !gpu && is != Derived):
		head.ID = derivedID + int64(n)
	case standard && is != tr.Kind:
		head.Name = want
	}
	if tr.Kind == Counter && tr.Name != head.Name {
		head.DisplayName = tr.Name
	}
	return head
}

// deviceStats are the facts of a device.
func deviceStats(t *planeTable, d *Device) []xspace.Stat {
	var facts []xspace.Stat
	if d.Type != "" {
		facts = append(facts, t.text("device_type_string", d.Type))
	}
	double := func(name string, v, unit float64) {
		if v > 0 {
			facts = append(facts, xspace.Stat{ID: t.stats.id(name), Kind: xspace.Double, Bits: math.Float64bits(quotient(v, unit))})
		}
	}
	double("peak_teraflops_per_second", d.PeakFLOPs, 1e12)
	double("peak_hbm_bw_gigabytes_per_second", d.PeakHBM, 1e9)
	if d.Memory > 0 {
		facts = append(facts, t.num("memory_size", d.Memory))
	}
	return facts
}

// quotient returns the q for which q × unit is v again, if a near one does.
func quotient(v, unit float64) float64 {
	q := v / unit
	for _, c := range []float64{q, math.Nextafter(q, math.Inf(1)), math.Nextafter(q, 0)} {
		if c*unit == v {
			return c
		}
	}
	return q
}
