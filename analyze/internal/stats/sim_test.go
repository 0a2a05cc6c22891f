// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// noiseModel generates the run medians of a capture of nominal layers. All
// figures are relative SDs.
type noiseModel struct {
	name    string
	drift   float64 // common to all layers of a run
	layer   float64 // layer × run
	noisy   float64 // layer × run of the first `loud` layers, if > 0
	loud    int
	step    float64 // step × layer, AR(1) with 0.5
	shared  float64 // the same, common to the layers of a step
	stall   float64 // share of steps that take 1.5 times as long
	heavy   bool    // layer × run from t with 3 degrees of freedom
	layers  int
	nominal float64 // ps of a layer
}

// The noise models that the method is held to: N1 is TPU-like, N2 CPU-like.
var (
	modelN1 = noiseModel{name: "N1", drift: 0.01, layer: 0.003, step: 0.005, stall: 0.01, layers: 64, nominal: 500e6}
	modelN2 = noiseModel{name: "N2", drift: 0.05, layer: 0.02, noisy: 0.1, loud: 1, step: 0.04, stall: 0.01, layers: 64, nominal: 8e9}
)

// session draws captures of one model; not safe for concurrent use.
type session struct {
	noiseModel
	rng   *rand.Rand
	ar    []float64 // state of each layer's AR(1)
	steps [][]float64
	total []float64
}

const simSteps = 10

func newSession(m noiseModel, seed uint64) *session {
	s := &session{noiseModel: m, rng: rand.New(rand.NewPCG(seed, 0x5157)), ar: make([]float64, m.layers), total: make([]float64, simSteps)}
	for range m.layers {
		s.steps = append(s.steps, make([]float64, simSteps))
	}
	return s
}

// run draws one capture and returns the medians over its steps of each layer and
// of the step total. factor[l] is the true change of layer l, may be nil.
func (s *session) run(factor map[int]float64) (layers []float64, step float64) {
	const rho = 0.5
	innovate := math.Sqrt(1 - rho*rho)
	drift := math.Exp(s.drift * s.rng.NormFloat64())
	level := make([]float64, s.layers)
	for l := range level {
		sd := s.layer
		if l < s.loud {
			sd = s.noisy
		}
		z := s.rng.NormFloat64()
		if s.heavy {
			chi := 0.0
			for range 3 {
				g := s.rng.NormFloat64()
				chi += g * g
			}
			z /= math.Sqrt(chi) // t3/√3, SD 1
		}
		level[l] = s.nominal * drift * math.Exp(sd*z)
		if f, ok := factor[l]; ok {
			level[l] *= f
		}
		s.ar[l] = s.rng.NormFloat64()
	}
	shared := s.rng.NormFloat64()
	for k := range simSteps {
		hit := 1.0
		if s.rng.Float64() < s.stall {
			hit = 1.5
		}
		s.total[k] = 0
		for l := range level {
			s.steps[l][k] = level[l] * hit * math.Exp(s.step*s.ar[l]+s.shared*shared)
			s.total[k] += s.steps[l][k]
			s.ar[l] = rho*s.ar[l] + innovate*s.rng.NormFloat64()
		}
		shared = rho*shared + innovate*s.rng.NormFloat64()
	}
	layers = make([]float64, s.layers)
	for l := range layers {
		layers[l] = median(slices.Clone(s.steps[l]))
	}
	return layers, median(slices.Clone(s.total))
}

// capture is a growing set of runs of both sides.
type captures struct {
	step Pair
	rows []Pair
}

func (s *session) captures(runs int, factor map[int]float64) captures {
	c := captures{rows: make([]Pair, s.layers)}
	for range runs {
		c.add(s, factor)
	}
	return c
}

func (c *captures) add(s *session, factor map[int]float64) {
	base, b := s.run(nil)
	new, n := s.run(factor)
	c.step.Base, c.step.New = append(c.step.Base, b), append(c.step.New, n)
	for l := range c.rows {
		c.rows[l].Base = append(c.rows[l].Base, base[l])
		c.rows[l].New = append(c.rows[l].New, new[l])
	}
}
