// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package kernel

func machineTables() []*table { return nil }

// pause lets a polling loop rest.
func pause() {
	for range 64 {
	}
}
