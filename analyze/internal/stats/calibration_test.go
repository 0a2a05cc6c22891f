// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"os"
	"testing"
)

// sized returns the number of trials: small in a normal run, full under
// LAYERSCOPE_CALIBRATION, when the tables of docs/diff-method.md are printed.
func sized(small, full int) (n int, tables bool) {
	if os.Getenv("LAYERSCOPE_CALIBRATION") != "" {
		return full, true
	}
	return small, false
}

func needsTables(t *testing.T) {
	t.Helper()
	if os.Getenv("LAYERSCOPE_CALIBRATION") == "" {
		t.Skip("prints tables only: set LAYERSCOPE_CALIBRATION=1")
	}
}

// TestCalibrationTargets holds the method to its promises with 64 layers, 3 runs
// of 10 steps a side.
func TestCalibrationTargets(t *testing.T) {
	n, _ := sized(300, 2000)
	t.Logf("3 runs × 10 steps a side, 64 layers, %d trials, 95 %% bounds in brackets", n)
	for _, m := range []noiseModel{modelN1, modelN2} {
		aa := trials(n, func(seed uint64) tally { return judged(m, 3, 0, seed) })
		t.Logf("%s A/A      any row %s  gate %s", m.name, pct(aa["any"], n), pct(aa["gate"], n))
		t.Logf("%s A/A      step %s  common %s  a layer %s", m.name, pct(aa["step"], n), pct(aa["common"], n), pct(aa["layer"], n))
		atMost(t, m.name+" any row", aa["any"], n, 0.05)
		atMost(t, m.name+" gate", aa["gate"], n, 0.01)
		up := trials(n, func(seed uint64) tally { return judged(m, 3, 0.03, 1e6+seed) })
		t.Logf("%s +3 %%     named alone %s  named %s", m.name, pct(up["found alone"], n), pct(up["found"], n))
		t.Logf("%s +3 %%     inconclusive %s  another row %s", m.name, pct(up["inconclusive"], n), pct(up["any"], n))
		atMost(t, m.name+" another row", up["any"], n, 0.05)
		atMost(t, m.name+" called equivalent or better", up["wrong"], n, 0.005)
		if up["no runs told"] > 0 {
			t.Errorf("%s: %d inconclusive rows without the runs needed", m.name, up["no runs told"])
		}
		if m.name == "N1" {
			atMost(t, "N1 +3 % not named alone", n-up["found alone"], n, 0.05)
		}
	}
}

func atMost(t *testing.T, what string, k, n int, share float64) {
	t.Helper()
	if float64(k) > share*float64(n) {
		t.Errorf("%s: %s, want at most %g %%", what, pct(k, n), 100*share)
	}
}

// variants are noise models beside the two of the targets: what the method was
// not tuned on.
func variants() []noiseModel {
	with := func(m noiseModel, name string, change func(*noiseModel)) noiseModel {
		m.name += " " + name
		change(&m)
		return m
	}
	return []noiseModel{
		modelN1,
		with(modelN1, "one layer 1.5 %", func(m *noiseModel) { m.loud, m.noisy = 1, 0.015 }),
		with(modelN1, "shared steps", func(m *noiseModel) { m.shared = 0.005 }),
		with(modelN1, "heavy tails", func(m *noiseModel) { m.heavy = true }),
		modelN2,
		with(modelN2, "8 loud", func(m *noiseModel) { m.loud = 8 }),
		with(modelN2, "32 loud", func(m *noiseModel) { m.loud = 32 }),
		with(modelN2, "heavy tails", func(m *noiseModel) { m.heavy = true }),
		with(modelN2, "6 layers", func(m *noiseModel) { m.layers = 6 }),
	}
}

// TestCalibrationSize prints false alarms over noise models and numbers of runs.
// With one run a side the alarm is DIFFERS.
func TestCalibrationSize(t *testing.T) {
	needsTables(t)
	const n = 1000
	t.Logf("| noise | runs a side | any row | step | common | a layer | gate |")
	for _, m := range variants() {
		for _, runs := range []int{1, 2, 3, 5, 8} {
			a := trials(n, func(seed uint64) tally { return judged(m, runs, 0, 2e6+seed) })
			t.Logf("| %s | %d | %s | %.1f | %.1f | %.1f | %.1f |", m.name, runs, pct(a["any"], n),
				share(a["step"], n), share(a["common"], n), share(a["layer"], n), share(a["gate"], n))
			if runs >= 3 {
				atMost(t, m.name+" any row", a["any"], n, 0.06)
			}
		}
	}
}

func share(k, n int) float64 { return 100 * float64(k) / float64(n) }

// TestCalibrationPower prints how often a slower layer is named.
func TestCalibrationPower(t *testing.T) {
	needsTables(t)
	const n = 400
	t.Logf("| noise | effect | 2 runs | 3 | 5 | 8 | 12 |")
	for _, m := range []noiseModel{modelN1, modelN2} {
		for _, effect := range []float64{0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5} {
			line := ""
			for _, runs := range []int{2, 3, 5, 8, 12} {
				a := trials(n, func(seed uint64) tally { return judged(m, runs, effect, 3e6+seed) })
				line += fmt.Sprintf(" %.1f |", share(a["found"], n))
			}
			t.Logf("| %s | +%g %% |%s", m.name, 100*effect, line)
		}
	}
	t.Logf("| noise | called EQUIVALENT when unchanged: layers, step | 2 runs | 3 | 5 | 8 | 12 |")
	for _, m := range []noiseModel{modelN1, modelN2} {
		layers, step := "", ""
		for _, runs := range []int{2, 3, 5, 8, 12} {
			a := trials(n, func(seed uint64) tally { return judged(m, runs, 0, 4e6+seed) })
			layers += fmt.Sprintf(" %.1f |", share(a["rows equivalent"], n*m.layers))
			step += fmt.Sprintf(" %.1f |", share(a["step equivalent"], n))
		}
		t.Logf("| %s | layers |%s", m.name, layers)
		t.Logf("| %s | step |%s", m.name, step)
	}
}
