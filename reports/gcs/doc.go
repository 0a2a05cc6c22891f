// SPDX-License-Identifier: Apache-2.0

// Package gcs is a bucket of Google Cloud Storage as an objects.Store, over
// HTTP: the JSON API, and the XML API for reading, which alone gives objects as
// they are stored whatever their Content-Encoding. Credentials are the application's default ones; where
// STORAGE_EMULATOR_HOST is set, requests go there, without any.
//
// Requests that fail for a reason that may pass (408, 429, 5xx, broken or stalled
// connections, wrong checksums) are repeated after a pause that grows and is
// random. A repeated creation whose first answer was lost is recognised as ours
// by a nonce in the object's metadata.
//
// With the build tag nocloud the client is left out, and Open fails.
package gcs
