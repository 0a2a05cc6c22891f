// SPDX-License-Identifier: Apache-2.0

// Package remote copies bundles to a root that others read, and back: a directory
// or a bucket, as an objects.Store.
//
// A run lies there as it does on the disk, each file an object: captures can be
// read by ranges. checksums.txt comes first: it claims the place, since it differs
// whenever anything in the bundle does. manifest.json comes last: a run without
// one is not whole. Nothing is ever overwritten, what is there already with the
// same content isn't sent again.
//
// Files of more than a part are sent as parts, below parts/, and composed. How far
// a push is, is known from what lies there: after an interrupt, a crash or on
// another machine the same call goes on, and sends again no more than the parts
// that were on their way. Pull keeps its parts, with a journal, beside its target.
// See the example of [Push].
package remote
