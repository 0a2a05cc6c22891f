// SPDX-License-Identifier: Apache-2.0

package bundle

// Parse reads a manifest from elsewhere: of a run that is fetched. It refuses
// paths that lead out of the bundle, that are there twice or differ in case only,
// hashes that are none, and more files than a bundle may have.
func Parse(manifest []byte) (*Manifest, error) {
	return parseManifest(manifest)
}
