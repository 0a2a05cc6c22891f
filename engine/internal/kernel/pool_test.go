// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestParallelCoversEveryTaskOnce(t *testing.T) {
	defer SetWorkers(0)
	for _, n := range []int{0, 1, 2, 3, 100, 5000} {
		for _, cores := range []int{1, 2, 5} {
			SetWorkers(cores)
			counts := make([]atomic.Int32, n)
			Parallel(n, func(i, w int) {
				if w < 0 || w >= cores {
					t.Errorf("worker %d of %d", w, cores)
				}
				counts[i].Add(1)
			})
			for i := range counts {
				if c := counts[i].Load(); c != 1 {
					t.Fatalf("%d tasks on %d cores: task %d ran %d times", n, cores, i, c)
				}
			}
		}
	}
}

// TestParallelNestsAndOverlaps: a region inside a region and regions of
// several goroutines all finish.
func TestParallelNestsAndOverlaps(t *testing.T) {
	SetWorkers(3)
	defer SetWorkers(0)
	var sum atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				Parallel(7, func(i, _ int) {
					Parallel(3, func(j, _ int) { sum.Add(int64(i * j)) })
				})
			}
		})
	}
	wg.Wait()
	if want := int64(4 * 50 * 21 * 3); sum.Load() != want {
		t.Errorf("sum %d, want %d", sum.Load(), want)
	}
}

// TestConcurrentCallersAgree: kernels called from several goroutines give the
// bits that one gives.
func TestConcurrentCallersAgree(t *testing.T) {
	SetWorkers(2)
	defer SetWorkers(0)
	r := newRand(4)
	w, _ := tensorFrom(randMat(r, 200, 300, 0), BF16)
	a, p, want := randMat(r, 90, 300, 0), Pack(nil, w), NewMat(90, 200)
	Mul(want, a, p)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				c := NewMat(90, 200)
				Mul(c, a, p)
				if !slices.Equal(bits(c.Data), bits(want.Data)) {
					t.Error("a product differs when several run at once")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestStopWorkersLeavesNothing(t *testing.T) {
	StopWorkers()
	defer goleak.VerifyNone(t)
	SetWorkers(4)
	Parallel(100, func(int, int) {})
	SetWorkers(0)
	StopWorkers()
	Parallel(100, func(int, int) {}) // starts them again
	StopWorkers()
}

func TestScratchIsReused(t *testing.T) {
	ReleaseScratch()
	if n := ScratchBytes(); n != 0 {
		t.Fatalf("%d bytes of scratch with no kernel running", n)
	}
	a, b, c := NewMat(50, 60), NewMat(60, 70), NewMat(50, 70)
	MulMat(c, a, b)
	first := ScratchBytes()
	for range 10 {
		MulMat(c, a, b)
	}
	if n := ScratchBytes(); n != first || n == 0 {
		t.Errorf("scratch went from %d to %d bytes over ten equal products", first, n)
	}
	if n := testing.AllocsPerRun(10, func() { MulMat(c, a, b) }); n > 12 {
		t.Errorf("%v allocations a product", n)
	}
}
