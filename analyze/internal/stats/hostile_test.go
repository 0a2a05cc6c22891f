// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// badFloats finds NaN and infinities in any value.
func badFloats(v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%s is %v", path, f)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return badFloats(v.Elem(), path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := badFloats(v.Field(i), path+"."+v.Type().Field(i).Name); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := badFloats(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// hostile draws what a broken capture may hold.
func hostile(t *rapid.T, name string, maxLen int) []float64 {
	value := rapid.OneOf(
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, math.NaN(), math.Inf(1), math.Inf(-1),
			math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e150, -1e150, 1e-150, 5, 5, 5}),
		rapid.Float64(),
		rapid.Float64Range(-2, 10),
	)
	return rapid.SliceOfN(value, 0, maxLen).Draw(t, name)
}

// Nothing panics or yields NaN or an infinity, whatever goes in, and no input
// is changed.
func TestNoNaN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := hostile(t, "a", 16), hostile(t, "b", 16)
		keepA, keepB := fmt.Sprint(a), fmt.Sprint(b)
		var strata []Pair
		rows := []Pair{{a, b}}
		steps := [][]float64{a, b}
		for range rapid.IntRange(0, 4).Draw(t, "more") {
			p := Pair{hostile(t, "base", 4), hostile(t, "new", 4)}
			rows = append(rows, p)
			strata = append(strata, p)
			steps = append(steps, p.Base)
		}
		z, pz := VanElteren(strata)
		tt, df, pt := Welch(a, b)
		effect, ci := Bootstrap(steps[:1], steps[1:], 0.95, 1)
		pp, least := Permute(a, b, 1)
		noise := Calibrate(a, steps)
		noise.Rows = append(noise.Rows, hostile(t, "noise", 3)...)
		var opt Options
		if rapid.Bool().Draw(t, "options") {
			odd := append(hostile(t, "odd", 6), 0, 0, 0)
			opt = Options{Alpha: odd[0], Margin: odd[1], MinAbs: odd[2], Noise: &noise, Drift: &Pair{a, hostile(t, "drift", 4)}}
		}
		all := []any{
			Summarize(a, 0.95), RankTest(a, b, 0.95), Interval{z, pz, tt}, Interval{df, pt, effect}, ci, Interval{pp, least, 0},
			BH(a), ChangePoints(a, 1), Trailing(append(a[:len(a):len(a)], b...), 0), noise, Compare(&rows[0], rows, opt),
			Compare(nil, rows, Options{}), noise.Floor(noise.Step, 1, 2),
		}
		Disturbed(steps)
		for i, v := range all {
			// What was put into noise by hand may stay odd there.
			if n, ok := v.(Noise); ok {
				n.Rows = n.Rows[:len(steps)]
				v = n
			}
			if err := badFloats(reflect.ValueOf(v), fmt.Sprintf("%d:%T", i, v)); err != nil {
				t.Fatal(err)
			}
		}
		if fmt.Sprint(a) != keepA || fmt.Sprint(b) != keepB {
			t.Fatal("an input was changed")
		}
	})
}

func FuzzCompare(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, uint8(2), uint8(1))
	f.Add([]byte{0, 0, 255, 255}, uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, n1, n2 uint8) {
		var rows []Pair
		n1, n2 = n1%8, n2%8
		take := func(n uint8) (x []float64) {
			for range n {
				if len(data) == 0 {
					return x
				}
				x = append(x, math.Exp(float64(int8(data[0]))*6)-1)
				data = data[1:]
			}
			return x
		}
		for len(data) > 0 && len(rows) < 64 && n1+n2 > 0 {
			rows = append(rows, Pair{take(n1), take(n2)})
		}
		c := Compare(nil, rows, Options{})
		if err := badFloats(reflect.ValueOf(c), "c"); err != nil {
			t.Fatal(err)
		}
		for _, r := range c.Rows {
			if min(r.BaseRuns, r.NewRuns) < 2 && r.Verdict != Differs && r.Verdict != Inconclusive {
				t.Fatalf("one run a side: %+v", r)
			}
			if r.P < 0 || r.P > 1 || r.Q < r.P || r.Q > 1 || r.Lo > r.Effect || r.Hi < r.Effect || r.Needed < 0 || r.Needed > maxNeeded {
				t.Fatalf("%+v", r)
			}
		}
	})
}
