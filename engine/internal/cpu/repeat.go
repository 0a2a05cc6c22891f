// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"fmt"
	"math"
	"time"

	"github.com/layerscope/layerscope/engine/internal/arena"
	"github.com/layerscope/layerscope/engine/internal/kernel"
	"github.com/layerscope/layerscope/engine/internal/program"
)

// stretched runs a segment and then part of it again into scratch memory, so
// that it takes slow times as long. What the repeated part lacked or took too
// much goes to the segment's next execution.
//
// Note: a share of the rows by count was 20-40 % off for matrix products of few
// rows, whose time is mostly reading weights; measuring the time isn't. A time
// over twice the usual is the machine's, not the segment's, and counts as
// twice: without that, one preempted repetition paid for many executions.
func (ps *pass) stretched(st *step, in, out kernel.Mat) error {
	began := time.Now()
	ps.run(st, in, out, 0)
	once := max(time.Since(began), 1)
	if st.usual == 0 || once < st.usual {
		st.usual = once
	} else {
		st.usual += st.usual/50 + 1 // follows a machine that becomes slower
	}
	once = min(once, 2*st.usual)
	st.debt += time.Duration(float64(once) * (st.slow - 1))
	for st.debt > 0 {
		part := math.Min(1, float64(st.debt)/float64(once))
		began = time.Now()
		done, err := ps.again(st, in, out, part)
		if err != nil {
			return err
		}
		if !done {
			return nil
		}
		st.debt -= min(time.Since(began), max(1, time.Duration(2*part*float64(once))))
	}
	return nil
}

// again executes that part of a segment, by rows or by heads; false where the
// part is less than one of them.
func (ps *pass) again(st *step, in, out kernel.Mat, part float64) (bool, error) {
	n := int(math.Round(part * float64(max(out.Rows, in.Rows))))
	if st.Op == program.Attend {
		n = out.Rows
	}
	if n == 0 {
		return false, nil
	}
	if st.Out == program.None {
		ps.run(st, in, out, 0) // copies keys and values once more
		return true, nil
	}
	n = min(n, out.Rows)
	to, err := ps.b.spare(n, out.Cols)
	if err != nil {
		return false, fmt.Errorf("%s: repeated work: %w", st.Scope, err)
	}
	switch {
	case st.Op == program.Attend:
		heads := int(math.Round(part * float64(ps.b.cfg.KVHeads)))
		if heads == 0 {
			return false, nil
		}
		ps.attend(st, in, to, heads)
	case in.Rows == 0 || st.Op == program.Pick:
		ps.run(st, in, to, 0)
	default:
		ps.run(st, in.RowRange(0, n), to, 0)
	}
	return true, nil
}

// spare is a scratch matrix of harmless numbers.
func (b *Backend) spare(rows, cols int) (kernel.Mat, error) {
	if need := 4 * rows * cols; b.scratch.Len() < need {
		b.scratch.Free()
		var err error
		b.scratch, err = b.mem.Alloc(need, arena.Tag{Scope: "inject/slow", Kind: arena.Temp, Type: "f32"})
		if err != nil {
			b.scratch = arena.Buffer{}
			return kernel.Mat{}, err
		}
		for i := range b.scratch.Floats() {
			b.scratch.Floats()[i] = 0.5
		}
	}
	return kernel.MatOf(b.scratch.Floats(), rows, cols), nil
}
