// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"sync/atomic"
	"time"
)

// Peak measures what the active path's multiply-add units do at best on that
// many cores at once: floating-point operations per second of register-only
// multiply-adds, the best of rounds runs of 1-2 ms. It is the yardstick for
// matrix products in the same process; other work on the machine lowers both,
// so measure them turn by turn and keep the best of each.
func Peak(cores, rounds int) float64 {
	t := active.Load()
	n := 50_000 // ~0.15 ms
	if t.path == Portable {
		n = 5_000
	}
	best := 0.0
	for range rounds {
		var ops atomic.Int64
		start := time.Now()
		parallel(cores, 8*cores, func(int, int) { ops.Add(int64(t.peak(n))) })
		if s := time.Since(start).Seconds(); s > 0 {
			best = max(best, float64(ops.Load())/s)
		}
	}
	return best
}
