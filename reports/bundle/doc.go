// SPDX-License-Identifier: Apache-2.0

// Package bundle keeps one run as one directory: captures, inputs, environment,
// commit, commands, analysis and report, with a hash of everything, made whole or
// not at all and never changed afterwards.
//
//	report.md               the report, what the bundle holds, what was redacted
//	manifest.json           layerscope.bundle/v1: a [Manifest]
//	metadata.json           when, which commit, on what, how
//	checksums.txt           for sha256sum -c; the manifest's hash is in it too
//	inputs/                 commands.sh, environment.json, requests and settings
//	artifacts/raw/traces/   captures, byte for byte
//	artifacts/raw/memory/   memory profiles, byte for byte
//	analysis/               results as JSON and Markdown
//	logs/
//
// [Verify] says what is missing, extra or changed, of a bundle's directory or its
// .tar.zst form, which [Pack] makes and [Unpack] expands without trusting it.
// Text is redacted unless that is declined; see [Options]. See the example of
// [Create].
package bundle
