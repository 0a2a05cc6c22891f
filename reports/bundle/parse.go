// SPDX-License-Identifier: Apache-2.0

package bundle

import "fmt"

// Parse reads a manifest from elsewhere: of a run that is fetched. It refuses
// paths that lead out of the bundle, that are there twice or differ in case only,
// hashes that are none, and more files than a bundle may have.
func Parse(manifest []byte) (*Manifest, error) {
	m, err := parseManifest(manifest)
	if err == nil && len(m.Files) > maxFiles {
		err = fmt.Errorf("%s: lists %d files, wanted at most %d", manifestFile, len(m.Files), maxFiles)
	}
	return m, err
}
