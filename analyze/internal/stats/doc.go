// SPDX-License-Identifier: Apache-2.0

// Package stats holds the few statistics that comparing profiles needs:
// summaries of step times, two-sample rank tests and shifts, the run-level
// comparison of many layers at once, false-discovery control, resampling,
// sequential decisions, change points of a history, and exact apportioning of
// integer totals.
//
// The unit of evidence is the run (one capture of one process). Steps inside a
// run share code placement, clocks and neighbours; they are pseudo-replicates
// that only give the run its median. [Compare] takes a matrix of run medians
// and returns one [Row] a layer with effect, interval and [Verdict];
// [Calibrate] measures the noise it may borrow. docs/diff-method.md explains
// the method and holds its size and power tables, measured by this package's
// TestCalibration.
//
// Everything is a pure function: no files, clocks, goroutines or hidden
// randomness (a seed is an argument). Inputs are never modified. No result is
// ever NaN or infinite: values that are not finite, or beyond ±1e150, are dropped
// on the way in, and what can't be computed from the rest is zero beside a count (N, DF or
// Confidence) that says so.
//
// Note: go-moremath was read first and left out. Its exact U test with ties
// takes 14 ms at 25 a side, its incomplete beta panics for large parameters,
// and it has neither t quantiles nor shifts; what remained was one function.
package stats
