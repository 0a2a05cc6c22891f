// SPDX-License-Identifier: Apache-2.0

// Package objects keeps named, immutable objects in a directory or in a bucket:
// the [Store] that runs and their index lie in. [Dir] is the directory, package
// gcs the bucket; both behave the same and are held to the same tests.
//
// An object is created whole or not at all and never overwritten: Put and Compose
// fail when there is one of that name. What is read is pinned: [Open] notes an
// object's generation, and reads that find another fail instead of mixing two
// contents. See the example of [Open].
package objects
