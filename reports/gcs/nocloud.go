// SPDX-License-Identifier: Apache-2.0

//go:build nocloud

package gcs

import (
	"context"
	"fmt"

	"github.com/layerscope/layerscope/reports/objects"
)

// Open fails: this build has no client.
func Open(_ context.Context, address string, _ Options) (objects.Store, error) {
	if _, _, err := Split(address); err != nil {
		return nil, err
	}
	return nil, &hinted{fmt.Errorf("%s: this build has no client of Google Cloud Storage (build tag nocloud)", address), "build without the tag: make build; a directory works as well"}
}
