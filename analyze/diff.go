// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"errors"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// A Side is one of the things compared: repeated captures of one commit.
type Side struct {
	Label  string
	Commit string
	// Runs are the captures. The run is the unit of evidence; with one run on a
	// side captures may differ, the code is never said to.
	Runs []*Analysis
	// PeakHBM is the peak of device memory in bytes as allocators saw it,
	// PlanBytes what the largest program was planned to need by the compiler: the
	// largest over runs, 0 = not known.
	PeakHBM, PlanBytes int64
	// Memory is what is known about memory, by run: of profiles that lie beside
	// the captures, and of the captures. Nil where nobody looked.
	Memory []*MemoryUse

	// What follows is filled in by [Diff]: steps that count, steps left out, and
	// steps and captures that something disturbed (they count).
	Steps, Excluded, DisturbedSteps int
	Disturbed                       []bool // by run
	Compiles                        int
}

// DiffOptions steer [Diff]. The zero value is the documented method.
type DiffOptions struct {
	// Alpha is the chance that a comparison of unchanged code names any row;
	// 0 means 0.05.
	Alpha float64
	// MinEffect is the practical margin as a fraction; 0 means 0.01.
	MinEffect float64
	// MinAbs is the practical margin a step; 0 means 1 µs.
	MinAbs Duration
	// Noise is what [Calibrate] measured on the same host and workload, or nil.
	Noise *Noise
	// AllowMismatch compares what parity calls incomparable.
	AllowMismatch bool
	// Open adds op rows for every layer, not only for those that changed.
	Open bool
	// Seed is kept with the result. The method draws no random numbers.
	Seed uint64
}

// ErrMismatch is in the chain of the error for sides that can't be compared.
var ErrMismatch = errors.New("the sides are not comparable")

// A Comparison is what changed between two sides. Slices are never nil and no
// number is NaN or infinite.
//
// Conservation, to the picosecond, on mean op time per step (all op time of a
// side's captures over all their steps): Delta = Matched + Added − Removed +
// Unattributed; rows of one parent add up to it. Medians, intervals and verdicts
// are of the steps that count.
type Comparison struct {
	Base, New    Side
	Options      DiffOptions // with defaults filled in
	Parity       []Parity    // fields that differ, those that void a comparison first
	Verdict      string      // the worst of the step's and the layers' rows
	Layers       struct{ Base, New, Matched int }
	Conservation struct{ Delta, Matched, Added, Removed, Unattributed Duration }
	Rows         []DiffRow         // step rows, layers with their components and ops, totals of components
	Explain      []Explained       // the smallest set that carries 90 % of the step's delta
	ExplainShare float64           // of the step's delta that Explain carries
	Appeared     []Finding         // of the new side only
	Vanished     []Finding         // of the base side only
	Findings     []Finding         // about the comparison
	Gate         []GateRule        // judged by [Comparison.Judge]
	PriorSD      float64           // run-to-run SD that the layers have in common
	Memory       *MemoryComparison // nil unless both sides know live buffers, or allocators' peaks
}

// A Parity is a fact in which the sides differ.
type Parity struct {
	Field, Base, New string
	Void             bool // what differs makes the comparison meaningless
}

// A DiffRow compares one quantity of one part.
type DiffRow struct {
	Key, Parent string
	BaseKey     string // the key on the base side; "" = the same
	Level       string // "step", "layer", "component", "op"
	Index       int    // of the layer, −1 outside
	Component   string
	Metric      string // "op_time"; "duration", "wall_share", "flops", "bytes", "compiles", …
	Status      string // "matched", "added", "removed", "moved"

	// Base, New and Delta are means per step and conserved; New − Base = Delta.
	// 0 for other metrics than op time.
	Base, New, Delta Duration
	// BaseValue and NewValue are what the test compares: the typical run's median
	// step, or the exact value, in Unit.
	BaseValue, NewValue float64
	Unit                string // "ps", "flop", "bytes", "1"
	// Raw is NewValue/BaseValue − 1; Effect is Raw without the drift that all
	// layers share, and Lo, Hi its interval. Fractions.
	Raw, Effect, Lo, Hi float64
	Margin              float64 // practical margin applied
	// Tested says that P and Q mean something; exact values and rows of one side
	// are not tested.
	Tested            bool
	P, Q              float64
	NBase, NNew       int // steps
	BaseRuns, NewRuns int // runs
	Needed            int // further runs a side that would decide
	Verdict           string
	Note              string

	// Rank is the rank test beside it: over runs, or over steps where a side has
	// one run. MinP is the least p that so many values can reach.
	Rank struct {
		Of                     string // "runs", "steps"; "" = none
		P, MinP, Shift, Lo, Hi float64
	}

	// Executions of the ops behind the row a step, and the number of ops.
	BaseCount, NewCount float64
	BaseOps, NewOps     int
	BaseFLOPs, NewFLOPs float64 // a step
	BaseBytes, NewBytes float64 // a step
	// Text is a diff of the ops' HLO, at most a few lines, where both sides have
	// it and the row is in an opened layer.
	Text []string

	stat  stats.Row
	pairs *partPair
}

// An Explained is a part that carries some of the step's delta, and why.
type Explained struct {
	Key    string
	Delta  Duration
	Reason string // code; see diffReasons
	Detail string
}

// Diff compares two sides, base against new. It is a pure function of the
// analyses and the options.
//
// Parts are matched by what survives a recompile, never by program ids or op
// names: program base name, layer, component, folded scope, category, canonical
// op name and shape. See docs/diff-method.md for the statistics.
//
// Errors: a side without runs, or without op time; sides that are not comparable
// ([ErrMismatch]).
func Diff(base, new Side, opts DiffOptions) (*Comparison, error) {
	opts = opts.withDefaults()
	d := &differ{c: &Comparison{Options: opts}}
	var err error
	if d.base, err = newView(&base, "base"); err != nil {
		return nil, err
	}
	if d.new, err = newView(&new, "new"); err != nil {
		return nil, err
	}
	d.c.Parity, d.c.Findings = []Parity{}, []Finding{}
	d.checkSame()
	d.checkParity()
	if err := d.refuse(); err != nil {
		return nil, err
	}
	d.chooseStrata()
	d.align()
	if err := d.conserve(); err != nil {
		return nil, err
	}
	d.test()
	d.totals()
	d.noteQuality()
	d.explain()
	d.c.Base, d.c.New = *d.base.side, *d.new.side
	if seen(base.Memory) && seen(new.Memory) {
		d.c.Memory = DiffMemory(base.Label, base.Memory, new.Label, new.Memory, opts)
	}
	return d.c, nil
}

func (o DiffOptions) withDefaults() DiffOptions {
	if !(o.Alpha > 0 && o.Alpha < 1) {
		o.Alpha = 0.05
	}
	if !(o.MinEffect > 0 && o.MinEffect < 1e6) {
		o.MinEffect = 0.01
	}
	if o.MinAbs <= 0 {
		o.MinAbs = microsecond
	}
	return o
}

const microsecond Duration = 1_000_000

// A differ is one comparison in the making.
type differ struct {
	c         *Comparison
	base, new *view
	strata    []stratum
	pairs     []*partPair // rows of the layer table
	rest      partPair    // unattributed
	drift     stats.Pair
}

// find adds a finding about the comparison.
func (d *differ) find(code string, sev severity, hint, message string) {
	d.c.Findings = append(d.c.Findings, Finding{Code: code, Severity: sev, Count: 1, Message: message, Hint: hint})
}
