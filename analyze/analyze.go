// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"slices"

	"github.com/layerscope/layerscope/trace"
)

// A study is one analysis in the making. Its passes run in the order of
// [Analyze]; each reads what earlier ones have filled in.
type study struct {
	t    *trace.Trace
	opts Options
	out  *Analysis

	devices  []int          // indices of the analysed devices
	tracks   []*trace.Track // their op tracks
	tracksOn [][]int        // indices in tracks, by device; nil = not analysed
	tallies  []trackTally   // by track
	ops      []opFacts      // by trace.OpID
	programs []programFacts // by program index; the last is of ops without one
	execs    [][]trace.Execution
	mainName string // base name of the program with most op time
	steps    []step // by start
	finders  map[int]*stepFinder
	windows  []window // of the programs, from −1; nil = not looked at yet
	rows     []row
	rules    []Rule
	folds    map[string]folded // scope path → folded
	named    map[string]string // scope path → component

	components []string // by opFacts.comp
	cells      []cell
	cellAt     map[cell]int32 // the cell's index
	sheet      *sheet
	rowOf      []int32 // of the sheet, by trace.OpID
	loops      map[int]map[loopRun]int32
}

// opFacts is what the passes learn about one op.
type opFacts struct {
	tally
	scope     folded
	component string
	row       int32 // static row; unplaced or dynamic
	device    int32 // the one it ran on, or several
	comp      int32 // component's index
	cell      int32 // of the static row
	// neededBy is 1 + the op outside the layers that waits for this one's
	// transfer; 0 = none.
	neededBy trace.OpID
}

// Values of opFacts.row that are not rows.
const (
	unplaced int32 = -1 // unattributed
	dynamic  int32 = -2 // an op of a scanned layer: the row depends on the iteration
)

const severalDevices int32 = -2

// Analyze computes the analysis of a capture: op totals first, then which layer
// each op belongs to, then layer sums by step. Tracks are read two or three
// times in batches; an analysis holds no events but those of devices whose ops
// run on several tracks at once. [Options.OpsOnly] makes do with one pass.
//
// Errors are of reading; a capture without ops gives an Analysis with findings.
func Analyze(t *trace.Trace, opts Options) (*Analysis, error) {
	s := newStudy(t, opts)
	s.selectDevices()
	var err error
	if s.tallies, err = tallyTracks(s.tracks, len(t.Ops)); err != nil {
		return nil, err
	}
	s.gatherOps()
	s.gatherExecutions()
	s.gatherSteps()
	if err := s.findLayers(); err != nil {
		return nil, err
	}
	if opts.OpsOnly {
		return s.out, s.opsOnly()
	}
	if err := s.attribute(); err != nil {
		return nil, err
	}
	if err := s.summariseDevices(); err != nil {
		return nil, err
	}
	s.tableLayers()
	s.tableOps()
	s.notePlaces()
	s.tableScopes()
	if err := s.tableAsync(); err != nil {
		return nil, err
	}
	if err := s.tableHost(); err != nil {
		return nil, err
	}
	s.out.Allocators = allocators(t.Allocs)
	s.judge()
	return s.out, nil
}

func newStudy(t *trace.Trace, opts Options) *study {
	return &study{
		t: t, opts: opts, out: newAnalysis(t), rules: append(slices.Clone(opts.Rules), builtinRules()...),
		folds: make(map[string]folded), named: make(map[string]string), loops: make(map[int]map[loopRun]int32),
	}
}

func newAnalysis(t *trace.Trace) *Analysis {
	a := &Analysis{
		Inputs: append([]Input{}, t.Inputs...), Format: t.Format, Lossy: t.Lossy,
		Findings: append([]Finding{}, t.Findings...),
		Capture:  Capture{StartUnixNano: t.Origin, Window: t.Wall, Hosts: append([]string{}, t.Hosts...), Metadata: map[string]string{}},
		Programs: []Program{}, Devices: []Device{}, Scopes: []Scope{}, Components: []Component{},
		Categories: []Category{}, Ops: []Op{}, Steps: []Step{}, Host: []HostRow{}, Compiles: []Compile{},
	}
	a.Layers.Rows, a.Layers.Outliers, a.Layers.UnattributedOps = []Layer{}, []Outlier{}, []Op{}
	a.Async.Rows = []AsyncRow{}
	for k, v := range t.Metadata {
		a.Capture.Metadata[k] = v
	}
	return a
}

// selectDevices picks the devices with op tracks that the options ask for.
func (s *study) selectDevices() {
	byDevice := make([][]*trace.Track, len(s.t.Devices))
	for _, tr := range s.t.Tracks {
		if tr.Device >= 0 && (tr.Kind == trace.Ops || tr.Kind == trace.Stream) {
			byDevice[tr.Device] = append(byDevice[tr.Device], tr)
		}
	}
	s.tracksOn = make([][]int, len(s.t.Devices))
	for i := range s.t.Devices {
		if len(byDevice[i]) == 0 || !s.asksFor(&s.t.Devices[i]) {
			continue
		}
		s.devices = append(s.devices, i)
		for _, tr := range byDevice[i] {
			s.tracksOn[i] = append(s.tracksOn[i], len(s.tracks))
			s.tracks = append(s.tracks, tr)
		}
	}
}

// asksFor says whether the options ask for a device.
func (s *study) asksFor(d *trace.Device) bool {
	return len(s.opts.Devices) == 0 || slices.ContainsFunc(s.opts.Devices, d.Is)
}

// gatherOps sums the tracks' tallies by op and folds the scopes.
func (s *study) gatherOps() {
	s.ops = make([]opFacts, len(s.t.Ops))
	s.programs = make([]programFacts, len(s.t.Programs)+1)
	for i := range s.programs {
		s.programs[i] = programFacts{Program: &trace.Program{}, index: -1, seen: make(map[trace.OpID]bool)}
		if i < len(s.t.Programs) {
			s.programs[i].Program, s.programs[i].index = &s.t.Programs[i], i
		}
	}
	for i := range s.ops {
		s.ops[i].row, s.ops[i].device = unplaced, -1
	}
	for i := range s.tallies {
		dev := int32(s.tallies[i].track.Device)
		for k := range s.tallies[i].ops {
			t := &s.tallies[i].ops[k]
			id, o := t.op, &s.ops[t.op]
			if o.count == 0 {
				o.scope = foldScope(s.folds, s.t.Ops[id].Scope)
			}
			switch {
			case o.device == -1:
				o.device = dev
			case o.device != dev:
				o.device = severalDevices
			}
			o.merge(&t.tally)
			p := s.program(id)
			p.opTime += t.self
			if !p.seen[id] {
				p.seen[id] = true
				p.ops = append(p.ops, id)
			}
		}
	}
	for i := range s.programs {
		slices.Sort(s.programs[i].ops)
	}
}

// program returns the facts of the op's program.
func (s *study) program(id trace.OpID) *programFacts {
	p := s.t.Ops[id].Program
	if p < 0 || p >= len(s.t.Programs) {
		p = len(s.t.Programs)
	}
	return &s.programs[p]
}

// programFacts is what the passes learn about one program.
type programFacts struct {
	*trace.Program
	index  int // in Trace.Programs; -1: the ops without one
	seen   map[trace.OpID]bool
	ops    []trace.OpID // that ran, by id
	opTime Duration
	runs   int  // executions over all analysed devices
	heavy  bool // worth all methods
	placed placement
	// loopRows are the rows of a scanned program, by layer.
	loopRows []int32
	uses     *useGraph // if read ahead
}
