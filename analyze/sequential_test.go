// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSequentialPlan(t *testing.T) {
	for _, c := range []struct {
		first, most int
		want        []int
	}{
		{0, 0, []int{3, 4, 5, 6, 8, 10}},
		{2, 5, []int{2, 3, 4, 5}},
		{5, 3, []int{3}},
		{3, 20, []int{3, 4, 5, 6, 8, 10, 13, 17, 20}},
	} {
		s := Sequential{First: c.first, Most: c.most}
		var got []int
		spent := 0.0
		for n := s.Next(0); n > 0; n = s.Next(n) {
			level := s.Level(n)
			if level <= 0 || s.Level(n) != level {
				t.Errorf("%+v: level %g at %d", s, level, n)
			}
			spent += level
			s.Looks = append(s.Looks, n)
			got = append(got, n)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || math.Abs(spent-0.05) > 1e-12 {
			t.Errorf("first %d, most %d: spent %g, looks %s", c.first, c.most, spent, diff)
		}
		if last := got[len(got)-1]; s.Level(last+1) != 0 {
			t.Errorf("beyond the plan: level %g", s.Level(last+1))
		}
	}
	// Time ran out at 7 runs: a look there spends what is due, and one done
	// again, after an interruption, the same.
	s := Sequential{Looks: []int{3, 4, 5, 6}}
	level := s.Level(7)
	s.Looks = append(s.Looks, 7)
	if again := s.Level(7); level <= 0 || again != level {
		t.Errorf("level %g, again %g", level, again)
	}
	if n := s.Next(7); n != 9 {
		t.Errorf("next look at %d, want 9", n)
	}
}

// A simulated program: layers that drift together from run to run and each by
// itself, and steps that vary. Figures are relative SDs; the first layer may be
// noisier. These are the models of docs/diff-method.md.
type machine struct {
	name                       string
	drift, layer, first, steps float64
	nominal                    float64
}

var machines = []machine{
	{"N1", 0.01, 0.003, 0.003, 0.005, 500e6},
	{"N2", 0.05, 0.02, 0.10, 0.04, 8e9},
}

const simLayers, simSteps = 64, 10

// run is the analysis of one capture; layer 3 takes factor times as long.
func (m machine) run(rng *rand.Rand, factor float64) *Analysis {
	a := &Analysis{Layers: Layers{Method: "scope", Count: simLayers, Confidence: 1}}
	a.Steps = make([]Step, simSteps)
	for k := range a.Steps {
		a.Steps[k] = Step{Index: int64(k), Signature: "jit_f"}
	}
	hit := make([]float64, simSteps)
	for k := range hit {
		if hit[k] = 1; rng.Float64() < 0.01 {
			hit[k] = 1.5
		}
	}
	drift := math.Exp(m.drift * rng.NormFloat64())
	for l := range simLayers {
		sd := m.layer
		if l == 0 {
			sd = m.first
		}
		level := m.nominal * drift * math.Exp(sd*rng.NormFloat64())
		if l == 3 {
			level *= factor
		}
		row := Layer{Key: fmt.Sprintf("layer_%d", l), Index: l, Occurrences: simSteps, PerStep: make([]Duration, simSteps)}
		state := rng.NormFloat64() // AR(1), 0.5
		for k := range row.PerStep {
			d := Duration(level * hit[k] * math.Exp(m.steps*state))
			state = 0.5*state + math.Sqrt(0.75)*rng.NormFloat64()
			row.PerStep[k] = d
			row.Self += d
			a.Steps[k].OpTime += d
			a.Steps[k].Dur += d + Duration(m.nominal/10)
		}
		row.Components = []Component{{Name: "mlp", Self: row.Self}}
		a.Layers.OpTime += row.Self
		a.Layers.Rows = append(a.Layers.Rows, row)
	}
	return a
}

// session runs one session to its end; named tells whether it ended by naming a
// row other than layer 3, found whether it named that.
func (m machine) session(t *testing.T, seed uint64, factor float64, rules []GateRule) (named, found, failed bool, runs int) {
	rng := rand.New(rand.NewPCG(seed, 0x5e55))
	s := Sequential{Rules: rules}
	base, new := Side{Label: "base"}, Side{Label: "new"}
	for n := s.Next(0); n > 0; n = s.Next(n) {
		for len(base.Runs) < n {
			base.Runs = append(base.Runs, m.run(rng, 1))
			new.Runs = append(new.Runs, m.run(rng, factor))
		}
		c, decided, err := s.Look(base, new, DiffOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		runs = n
		if !decided && s.Next(n) > 0 {
			continue
		}
		for _, r := range c.Rows {
			isChanged := isChange(r.Verdict) && (r.Level == "layer" || r.Level == "step")
			found = found || isChanged && r.Key == "layer_3"
			named = named || isChanged && r.Key != "layer_3"
		}
		failed = slices.ContainsFunc(c.Gate, func(g GateRule) bool { return !g.Pass })
		return
	}
	t.Error("a session without an end")
	return
}

// TestCalibrationSessions holds sessions of compare-commits, through the code
// that decides them, to the error budget.
func TestCalibrationSessions(t *testing.T) {
	n := sized(20, 500)
	rules, err := ParseGate("layer>+3%")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		var mu sync.Mutex
		var wg sync.WaitGroup
		wrong, found, foundRuns, fails, aaRuns := 0, 0, 0, 0, 0
		for part := range 2 { // as many as the machine of the tests has cores
			wg.Go(func() {
				for i := part; i < n; i += 2 {
					seed := uint64(i)
					named, other, _, runs := m.session(t, seed, 1, nil)
					_, up, _, upRuns := m.session(t, 1e6+seed, 1.03, nil)
					_, _, failed, _ := m.session(t, 2e6+seed, 1, rules)
					mu.Lock()
					count(&wrong, named || other)
					count(&found, up)
					count(&fails, failed)
					aaRuns, foundRuns = aaRuns+runs, foundRuns+upRuns
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		t.Logf("%s: of %d A/A sessions %d decided wrongly, %.1f runs a side; gate layer>+3%% failed in %d; one layer +3 %%: named in %d, %.1f runs",
			m.name, n, wrong, float64(aaRuns)/float64(n), fails, found, float64(foundRuns)/float64(n))
		if limit := 0.05 * float64(n); float64(wrong) > limit || float64(fails) > limit {
			t.Errorf("%s: %d and %d of %d wrong, want at most 5 %%", m.name, wrong, fails, n)
		}
		if m.name == "N1" && float64(found) < 0.95*float64(n) {
			t.Errorf("%s: +3 %% found in %d of %d, want 95 %%", m.name, found, n)
		}
	}
}

func count(n *int, happened bool) {
	if happened {
		*n++
	}
}

// A gate session goes on until the rules are decided, whatever else is named:
// +20 % in one layer is a change, and no failure of a rule about another.
func TestSequentialRules(t *testing.T) {
	m := machines[0]
	for _, c := range []struct {
		rule           string
		decided, fails bool
	}{{"layer_3>+3%", true, true}, {"layer_5>+3%", true, false}, {"layer_5>+0.1%", false, false}} {
		rules, err := ParseGate(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		s := Sequential{Rules: rules}
		base, new := Side{}, Side{}
		for range 5 {
			base.Runs = append(base.Runs, m.run(rng, 1))
			new.Runs = append(new.Runs, m.run(rng, 1.2))
		}
		got, decided, err := s.Look(base, new, DiffOptions{})
		if err != nil || decided != c.decided || !got.Gate[0].Pass != c.fails || got.Options.Alpha != s.Level(5) {
			t.Errorf("%s: decided %v, gate %+v, alpha %g, %v", c.rule, decided, got.Gate, got.Options.Alpha, err)
		}
		if diff := cmp.Diff([]int{5}, s.Looks); diff != "" {
			t.Error(diff)
		}
	}
	if _, _, err := (&Sequential{}).Look(Side{}, Side{}, DiffOptions{}); err == nil {
		t.Error("no captures, no error")
	}
}
