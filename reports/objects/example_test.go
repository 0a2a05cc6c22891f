// SPDX-License-Identifier: Apache-2.0

package objects_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"strings"

	"github.com/layerscope/layerscope/reports/objects"
)

// An object is written once, and read by ranges of one generation.
func ExampleOpen() {
	root, err := os.MkdirTemp("", "objects")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(root)
	ctx, s := context.Background(), objects.Dir(root)
	text := "a capture of many bytes"
	for range 2 {
		_, err = s.Put(ctx, "nightly/2026-11-24/79e14de/host.xplane.pb", objects.Content{
			Data: strings.NewReader(text), Size: int64(len(text)), CRC32C: crc32.Checksum([]byte(text), objects.Castagnoli),
		})
		fmt.Println(err)
	}
	f, err := objects.Open(ctx, s, "nightly/2026-11-24/79e14de/host.xplane.pb")
	if err != nil {
		fmt.Println(err)
		return
	}
	p := make([]byte, 7)
	n, err := f.ReadAt(p, 2)
	requests, bytes := f.Traffic()
	fmt.Printf("%s %v, %d bytes in %d request of %d\n", p[:n], err, bytes, requests, f.Size())
	// Output:
	// <nil>
	// create nightly/2026-11-24/79e14de/host.xplane.pb: file already exists
	// capture <nil>, 7 bytes in 1 request of 23
}
