// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"context"
	"fmt"

	"github.com/layerscope/layerscope/reports/gcs"
	"github.com/layerscope/layerscope/reports/objects"
)

// A capture in a bucket is read by ranges, without a copy of it.
func ExampleOpen() {
	bucket, prefix, err := gcs.Split("gs://profiles/team/a")
	fmt.Println(bucket, prefix, err)
	_ = func(ctx context.Context) error { // with credentials
		s, err := gcs.Open(ctx, "gs://profiles/team/a", gcs.Options{})
		if err != nil {
			return err
		}
		f, err := objects.Open(ctx, s, "nightly/2026-11-24/79e14de/artifacts/raw/traces/host.xplane.pb")
		if err != nil {
			return err
		}
		_, err = f.ReadAt(make([]byte, 1<<20), 0)
		return err
	}
	// Output: profiles team/a <nil>
}
