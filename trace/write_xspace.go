// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/layerscope/layerscope/trace/internal/ring"
	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// XSpaceOptions steer [Recording.WriteXSpace].
type XSpaceOptions struct {
	// XProfCompat writes devices as TPUs, the only kind for which XProf makes
	// tables of ops without a GPU, and marks the file as synthetic.
	XProfCompat bool
	// Host names the host; "" = the machine's name.
	Host string
}

// syntheticKey is the metadata of files whose device planes are not what they
// are called, and why.
const syntheticKey = "layerscope_synthetic"

const syntheticText = "operations measured on a CPU, written as a TPU's for tools that make tables for no other device"

// WriteXSpace writes the recording as an XSpace (*.xplane.pb): a plane
// /host:CPU with a line of nested spans for each lane, a plane /device:CPU:n
// with the lines XLA Ops, XLA Modules and Steps for each device, the programs'
// HLO in /host:metadata, and times, metadata and versions in Task Environment.
// What the recording lacks is stated in the file's errors and warnings.
func (rec *Recording) WriteXSpace(w io.Writer, opts XSpaceOptions) error {
	if opts.Host == "" {
		opts.Host, _ = os.Hostname() // the name is a comfort
	}
	s := &spaceWriter{rec: rec, opts: opts, w: xspace.NewWriter(w)}
	if err := s.hlo(); err != nil {
		return err
	}
	for i := range rec.devices {
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
	if err := s.findings(); err != nil {
		return err
	}
	if opts.Host != "" {
		if err := s.w.Hostname(opts.Host); err != nil {
			return err
		}
	}
	return s.w.Close()
}

// findings writes what the recording lacks: first errors, then warnings, which is
// the order of the file.
func (s *spaceWriter) findings() error {
	for _, asError := range []bool{true, false} {
		add := s.w.Warning
		if asError {
			add = s.w.Error
		}
		for _, f := range s.rec.findings {
			if (f.Severity == Error) != asError {
				continue
			}
			if err := add(fmt.Sprintf("%s: %s (%d)", f.Code, f.Message, f.Count)); err != nil {
				return err
			}
		}
	}
	return nil
}

type spaceWriter struct {
	rec   *Recording
	opts  XSpaceOptions
	w     *xspace.Writer
	plane int64 // id of the plane before
}

// A planeTable numbers what the events of a plane refer to, in order of first
// use: the same in both passes over the plane.
type planeTable struct {
	stats numbered[string]
	metas numbered[metaKey]
}

// A metaKey is an event metadata: a name of a host's span, or an op, program or
// step of a device.
type metaKey struct {
	kind ring.Kind
	id   uint32
}

// numbered gives keys ids from 1 on.
type numbered[K comparable] struct {
	ids  map[K]int64
	list []K
}

func (n *numbered[K]) id(k K) int64 {
	id, ok := n.ids[k]
	if !ok {
		if n.ids == nil {
			n.ids = make(map[K]int64)
		}
		n.list = append(n.list, k)
		id = int64(len(n.list))
		n.ids[k] = id
	}
	return id
}

func (t *planeTable) num(name string, v int64) xspace.Stat {
	return xspace.Stat{ID: t.stats.id(name), Kind: xspace.Int, Bits: uint64(v)}
}

func (t *planeTable) uint(name string, v uint64) xspace.Stat {
	return xspace.Stat{ID: t.stats.id(name), Kind: xspace.Uint, Bits: v}
}

func (t *planeTable) text(name, v string) xspace.Stat {
	return xspace.Stat{ID: t.stats.id(name), Kind: xspace.String, Raw: []byte(v)}
}

// writeStats writes the names of the plane's stats.
func (t *planeTable) writeStats(pw *xspace.PlaneWriter) error {
	for i, name := range t.stats.list {
		if err := pw.StatMeta(&xspace.StatMeta{Key: int64(i + 1), ID: int64(i + 1), Name: name}); err != nil {
			return err
		}
	}
	return nil
}

// nextPlane numbers planes from 1 on.
func (s *spaceWriter) nextPlane() int64 {
	s.plane++
	return s.plane
}

// hlo writes the plane of the programs' modules.
func (s *spaceWriter) hlo() error {
	t := &planeTable{}
	return s.w.Plane(s.nextPlane(), "/host:metadata", func(pw *xspace.PlaneWriter) error {
		for i, p := range s.rec.programs {
			em := xspace.EventMeta{Key: int64(p.ID), ID: int64(p.ID), Name: programName(p)}
			em.Stats = append(em.Stats, t.uint("program_id", p.ID))
			if raw := s.rec.hlo[i]; raw != nil {
				em.Stats = append(em.Stats, xspace.Stat{ID: t.stats.id("Hlo Proto"), Kind: xspace.Bytes, Raw: raw})
			}
			if err := pw.EventMeta(&em); err != nil {
				return err
			}
		}
		return t.writeStats(pw)
	})
}

func programName(p Program) string { return fmt.Sprintf("%s(%d)", p.Name, p.ID) }

// environment writes the times of the session and its metadata.
func (s *spaceWriter) environment() error {
	t := &planeTable{}
	facts := maps.Clone(s.rec.Metadata)
	if facts == nil {
		facts = map[string]string{}
	}
	if s.opts.XProfCompat {
		facts[syntheticKey] = syntheticText
	}
	stop := s.rec.start + s.rec.scale.Picoseconds(s.rec.scale.Last().Ticks)/1000
	stats := []xspace.Stat{
		t.uint("profile_start_time", uint64(s.rec.start)),
		t.uint("profile_stop_time", uint64(stop)),
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

// host writes the plane of the lanes.
func (s *spaceWriter) host() error {
	t := &planeTable{}
	return s.w.Plane(s.nextPlane(), "/host:CPU", func(pw *xspace.PlaneWriter) error {
		for i, lane := range s.rec.lanes {
			if !s.rec.has(i, hostKinds) {
				continue
			}
			head := xspace.LineHead{ID: int64(i + 1), Name: lane.name}
			err := pw.Line(head, func(lw *xspace.LineWriter) error { return s.hostEvents(t, i, lw) })
			if err != nil {
				return err
			}
		}
		for i, k := range t.metas.list {
			em := xspace.EventMeta{Key: int64(i + 1), ID: int64(i + 1), Name: NameID(k.id).String()}
			if err := pw.EventMeta(&em); err != nil {
				return err
			}
		}
		return t.writeStats(pw)
	})
}

// hostEvents writes the spans, instants and counters of a lane.
func (s *spaceWriter) hostEvents(t *planeTable, lane int, lw *xspace.LineWriter) error {
	var ev xspace.Event
	return s.rec.each(lane, hostKinds, func(r *ring.Record, attrs []ring.Record) error {
		ev.MetadataID = t.metas.id(metaKey{ring.Span, r.ID()})
		ev.OffsetPs, ev.DurationPs = s.rec.span(r)
		ev.Stats = ev.Stats[:0]
		if r.Kind() == ring.Count {
			ev.Stats = append(ev.Stats, t.num("value", int64(r.Value)))
		}
		for i := range attrs {
			a := &attrs[i]
			key := NameID(a.ID()).String()
			switch a.Kind() {
			case ring.AttrText:
				ev.Stats = append(ev.Stats, t.text(key, s.rec.text(a.Value)))
			case ring.AttrFloat:
				ev.Stats = append(ev.Stats, xspace.Stat{ID: t.stats.id(key), Kind: xspace.Double, Bits: a.Value})
			default:
				ev.Stats = append(ev.Stats, t.num(key, int64(a.Value)))
			}
		}
		return lw.Event(&ev)
	})
}

func (rec *Recording) text(i uint64) string {
	if i < uint64(len(rec.texts)) {
		return rec.texts[i]
	}
	return rec.texts[0]
}
