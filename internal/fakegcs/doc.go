// SPDX-License-Identifier: Apache-2.0

// Package fakegcs is a Google Cloud Storage for tests, in a process of its own:
// the part of the JSON API, and the XML API's GET, that package reports/gcs and the
// official client use, with preconditions, generations, CRC32C, resumable uploads that hold the client
// to its offsets, compose, ranged reads, pages, and faults on demand.
//
// A test calls [Main] first thing in TestMain and [Start] where it wants one.
// It knows nothing of permissions, quotas or storage classes.
package fakegcs
