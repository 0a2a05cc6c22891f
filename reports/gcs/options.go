// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/layerscope/layerscope/reports/objects"
)

// Options are of a bucket's client.
type Options struct {
	Tries int           // requests for one thing, at most; 0 = 8
	Pause time.Duration // before the second; doubles; 0 = 500 ms
	Stall time.Duration // without a byte or an answer, until a request is given up; 0 = 60 s
	// Retried is told before a request is repeated; may be nil, may be called
	// from several goroutines.
	Retried func(what string, err error, after time.Duration)
}

// Split takes gs://bucket/prefix apart. The prefix is "" or a plain path.
func Split(address string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(address, "gs://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.Trim(prefix, "/")
	if !ok || bucket == "" || strings.ContainsAny(bucket, "\\@:?#%") || url.PathEscape(bucket) != bucket {
		return "", "", fmt.Errorf("%s: wanted gs://bucket/prefix", address)
	}
	if prefix != "" {
		if err := objects.CheckName(prefix); err != nil {
			return "", "", fmt.Errorf("%s: %w", address, err)
		}
	}
	return bucket, prefix, nil
}

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

// Hint is a line for the user.
func (h *hinted) Hint() string { return h.hint }

func (h *hinted) Unwrap() error { return h.error }
