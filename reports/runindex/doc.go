// SPDX-License-Identifier: Apache-2.0

// Package runindex finds runs again: an append-only index of captures that lies
// beside them, one small immutable JSON object a run. Writers only ever create
// objects, each under a name of its own, so that any number of them at once lose
// nothing, on a disk as in a bucket; readers list the objects and read them all.
//
// The layout below an index's root:
//
//	nightly/<date>/<sha7>/    runs of scheduled jobs
//	manual/<date>-<slug>/     runs of people
//	baselines/<name>/         runs to compare with
//	index/<time>-<sha7>-<identity>.json
//	index/places/<time>-<sha7>-<identity>-<hash of its path>.json
//
// The identity is a hash of the commit and of the captures' SHA-256, so that
// adding a run again changes nothing but that it lies at one more place, when it
// does. Runs may lie elsewhere: a record holds its
// run's path, relative to the root where it is below it. It also holds the few
// numbers that histories are made of: captures need not be kept, nor read, for
// that.
//
// A record is written once and never changed or removed; which fields it has is
// documented by [Run]. See the example of [Index].
package runindex
