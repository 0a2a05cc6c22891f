// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// device adds a device plane: its facts, tracks, program executions and steps.
func (x *xspaceReader) device(pl *xspace.Plane) error {
	dev, ok := deviceOf(pl.Name, x.host)
	if !ok || len(pl.Lines) == 0 {
		return nil
	}
	ahead := x.ahead.take(pl)
	if err := pl.Load(); err != nil {
		return err
	}
	for _, st := range pl.Stats() {
		deviceFact(&dev, st)
	}
	index := len(x.t.Devices)
	x.t.Devices = append(x.t.Devices, dev)
	for _, ln := range pl.Lines {
		if k := lineKind(ln); k == Ops || strings.HasPrefix(ln.Name, "Stream #") {
			x.devices++
			break
		}
	}
	if dev.Kind == "gpu" {
		return x.gpu(pl, index)
	}
	return x.tpu(pl, index, ahead)
}

// deviceOf returns the device that a plane of that name is of.
func deviceOf(plane, host string) (dev Device, ok bool) {
	rest, ok := strings.CutPrefix(plane, "/device:")
	kind, ordinal, _ := strings.Cut(rest, ":")
	dev = Device{Name: plane, Host: host, Kind: strings.ToLower(kind)}
	dev.Ordinal, _ = strconv.Atoi(strings.Fields(ordinal + " 0")[0])
	return dev, ok
}

// deviceFact reads one plane stat.
func deviceFact(d *Device, st xspace.Stat) {
	f, _ := st.Float()
	n, _ := st.Int()
	switch st.Name {
	case "device_type_string", "gpu_device_name":
		d.Type = st.Text()
	case "device_vendor":
		if d.Type == "" {
			d.Type = st.Text()
		}
	case "peak_teraflops_per_second":
		d.PeakFLOPs = f * 1e12
	case "peak_hbm_bw_gigabytes_per_second":
		d.PeakHBM = f * 1e9
	case "memory_bandwidth":
		d.PeakHBM = f
	case "memory_size":
		d.Memory = n
	}
}

// lineKind tells what a device line holds by its name. Lines with ids from
// 0xdeadbeef on, as a negative int32, were derived when the file was written.
func lineKind(ln *xspace.Line) Kind {
	if ln.ID < 0 && ln.ID >= -559038737 && ln.ID < -559038737+1000 {
		return Derived
	}
	switch ln.Name {
	case "XLA Ops", "Sparse Core Ops":
		return Ops
	case "XLA Modules", "Sparse Core Modules":
		return Modules
	case "Steps", "Sparse Core Steps":
		return StepLine
	case "Async XLA Ops", "Host Offload Ops":
		return Async
	case counterLine:
		return Counter
	case "Framework Name Scope", "Framework Ops", "Source code", "Launch Stats", "TensorFlow Name Scope", "TensorFlow Ops":
		return Derived
	}
	return Other
}

// tpu adds the lines of a TPU core, or of another device with op metadata.
func (x *xspaceReader) tpu(pl *xspace.Plane, device int, ahead *planeAhead) error {
	var custom []bool // by metadata index
	aggregated := false
	first, n := x.tpuOps(pl, ahead)
	for i := range int(n) {
		if x.t.Ops[int(first)+i].Category == "custom-call" {
			custom = append(custom, make([]bool, i+1-len(custom))...)
			custom[i] = true
		}
	}
	for i := range pl.NumStats() {
		aggregated = aggregated || pl.StatName(uint64(i)) == "self_duration_ps"
	}
	for _, ln := range pl.Lines {
		src := xspaceLine{line: ln, first: first, n: n, agg: -1}
		src.opts = xspace.ScanOptions{BaseNs: x.base, DeviceClock: x.opts.Clock == DeviceClock}
		kind := lineKind(ln)
		if kind == Ops {
			if custom != nil {
				src.work = true
				src.opts.Want, src.opts.WantFor = []string{"flops", "bytes_accessed"}, custom
			}
			if aggregated {
				src.opts.WantFor = nil
				src.agg = len(src.opts.Want)
				src.opts.Want = append(src.opts.Want, "self_duration_ps", "min_duration_ps")
			}
		}
		tr := &Track{Name: ln.Name, Kind: kind, Device: device, Host: x.host, Bytes: ln.Bytes}
		x.t.Tracks = append(x.t.Tracks, tr)
		x.flowLine(pl, ln, true)
		var err error
		switch kind {
		case Counter:
			err = src.samples(tr)
		case Modules:
			err = x.executions(pl, ln, src, device)
		case StepLine:
			err = x.deviceSteps(src, device)
		}
		tr.source = src
		if err != nil {
			return err
		}
	}
	return nil
}

// tpuOp reads an op's facts from its event metadata; program numbers its program.
func tpuOp(em *xspace.EventMeta, program func(id uint64) int) Op {
	op := Op{Name: em.DisplayName, Long: em.Name, Program: -1}
	if op.Name == "" {
		op.Name, op.Long = em.Name, ""
	}
	for _, st := range em.Stats {
		n, _ := st.Int()
		switch st.Name {
		case "tf_op":
			op.Scope = st.Text()
		case "hlo_category":
			op.Category = st.Text()
		case "program_id":
			op.Program = program(uint64(n))
		case "flops":
			op.FLOPs = n
		case "model_flops":
			op.ModelFLOPs = n
		case "bytes_accessed":
			op.Bytes = n
		case "memory_access_breakdown":
			op.Access = accesses(st.Raw)
		case "source":
			op.Source = st.Text()
		case "shape_with_layout":
			op.Shape = st.Text()
		case "deduplicated_name":
			op.Dedup = st.Text()
		}
	}
	if op.ModelFLOPs == 0 && op.Category != "custom-call" {
		op.ModelFLOPs = op.FLOPs
	}
	return op
}

// accesses decodes a memory access breakdown: repeated field 1 of messages
// {1 operation (1 read, 2 write), 2 memory space, 3 bytes}.
func accesses(b []byte) []Access {
	var out []Access
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return out
		}
		b = b[n:]
		if num != 1 || typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return out
			}
			b = b[n:]
			continue
		}
		msg, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return out
		}
		b = b[n:]
		var a Access
		for len(msg) > 0 {
			num, typ, n := protowire.ConsumeTag(msg)
			if n < 0 || typ != protowire.VarintType {
				break
			}
			v, m := protowire.ConsumeVarint(msg[n:])
			if m < 0 {
				break
			}
			msg = msg[n+m:]
			switch num {
			case 1:
				a.Write = v == 2
			case 2:
				a.Space = int(v)
			case 3:
				a.Bytes = int64(v)
			}
		}
		out = append(out, a)
	}
	return out
}

// executions reads a module line, and compares its two clocks.
func (x *xspaceReader) executions(pl *xspace.Plane, ln *xspace.Line, src xspaceLine, device int) error {
	opts := src.opts
	opts.Want, opts.WantFor = []string{"run_id"}, nil
	var sum [2]float64
	err := scanAtOnce(ln, opts, func(b *xspace.Batch) bool {
		for i, m := range b.Meta {
			if !x.mark() {
				return false
			}
			name, _ := pl.EventName(m)
			base, id, ok := splitProgram(name)
			p := -1
			if ok {
				p = x.program(id, base)
			}
			e := Execution{Program: p, Device: device, Start: Time(b.Start[i]), Dur: Duration(b.Dur[i])}
			if k := b.Values[0].Kind[i]; k == xspace.Int || k == xspace.Uint {
				e.RunID = int64(b.Values[0].Bits[i])
			}
			x.t.Executions = append(x.t.Executions, e)
			sum[0] += float64(b.Dur[i])
		}
		return true
	})
	if err != nil {
		return err
	}
	opts.Want, opts.DeviceClock = nil, !opts.DeviceClock
	err = ln.Scan(opts, func(b *xspace.Batch) bool {
		for _, d := range b.Dur {
			sum[1] += float64(d)
		}
		return true
	})
	x.compareClocks(pl.Name, sum[0], sum[1])
	return err
}

// clockTolerance is the relative difference of the two clocks' program times
// from which it is worth a finding.
const clockTolerance = 0.001

func (x *xspaceReader) compareClocks(device string, used, other float64) {
	if used == 0 || other == 0 || math.Abs(used-other) < clockTolerance*used {
		return
	}
	names := [2]string{"device", "event"}
	if x.opts.Clock == EventClock {
		names[0], names[1] = names[1], names[0]
	}
	x.t.find(Finding{Code: "clock-disagreement", Severity: Info,
		Message: device + ": program time on the " + names[1] + " clock is " + strconv.FormatFloat(100*(other/used-1), 'f', 3, 64) + " % off the " + names[0] + " clock, which is used here",
		Hint:    "the device clock is exact for durations; tools that use the host-normalised event clock show other sums (--clock event)"})
}

// deviceSteps reads a Steps line; a step's number is in its name.
func (x *xspaceReader) deviceSteps(src xspaceLine, device int) error {
	if _, err := src.line.Count(); err != nil { // finds a timestamp behind the events
		return err
	}
	k := int64(0)
	for b, err := range (&Track{source: src}).Batches() {
		if err != nil {
			return err
		}
		for i, op := range b.Op {
			if !x.mark() {
				return nil
			}
			name := x.t.Ops[op].Name
			x.t.Steps = append(x.t.Steps, Step{Number: stepNumber(name, k), Name: name, Device: device, Start: b.Start[i], Dur: b.Dur[i]})
			k++
		}
	}
	return nil
}

// stepNumber reads the number at the end of a step's name; k is that of steps
// without one.
func stepNumber(name string, k int64) int64 {
	if n, err := strconv.ParseInt(name[strings.LastIndexByte(name, ' ')+1:], 10, 64); err == nil {
		return n
	}
	return k
}

// hashBits makes a map key of a wanted stat: references and numbers are told by
// their bits, strings by an interned number.
func (in *interner) key(b *xspace.Batch, c, i int) uint64 {
	col := &b.Values[c]
	switch col.Kind[i] {
	case xspace.NoValue:
		return 0
	case xspace.String, xspace.Bytes:
		return 1<<63 | in.id(b.Bytes(c, i))
	}
	return col.Bits[i] + 1
}

// An interner numbers byte strings.
type interner struct{ ids map[string]uint64 }

func (in *interner) id(s []byte) uint64 {
	if in.ids == nil {
		in.ids = make(map[string]uint64)
	}
	id, ok := in.ids[string(s)]
	if !ok {
		id = uint64(len(in.ids))
		in.ids[string(s)] = id
	}
	return id
}
