// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/gcs"
	"github.com/layerscope/layerscope/reports/objects"
)

// store opens a root of runs: gs://bucket/prefix, file:///dir, or a directory.
// Nothing is asked of it yet.
func (a *app) store(ctx context.Context, root string) (objects.Store, error) {
	if strings.HasPrefix(root, "gs://") {
		return gcs.Open(ctx, root, gcs.Options{Retried: func(what string, err error, after time.Duration) {
			a.say("layerscope: %s: %s; again in %v", term.Safe(what), term.Safe(firstLine(err.Error())), after.Round(time.Millisecond))
		}})
	}
	dir, err := localRoot(root)
	if err != nil {
		return nil, err
	}
	return objects.Dir(dir), nil
}

// localRoot is the directory of a root that is no bucket.
func localRoot(root string) (string, error) {
	scheme, _, ok := strings.Cut(root, "://")
	switch {
	case !ok:
		return filepath.Clean(root), nil
	case scheme != "file":
		return "", usagef("gs://bucket/prefix, file:///dir or a directory", "%s: %s:// is not known", root, scheme)
	}
	u, err := url.Parse(root)
	if err != nil || u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") {
		return "", usagef("file:///"+strings.TrimLeft(strings.TrimPrefix(root, "file:"), "/"), "%s: wanted file:// and an absolute path", root)
	}
	return filepath.Clean(filepath.FromSlash(u.Path)), nil
}

// isBucket says whether a path is in a bucket.
func isBucket(path string) bool { return strings.HasPrefix(path, "gs://") }

func firstLine(s string) string {
	line, _, more := strings.Cut(s, "\n")
	if more {
		return fmt.Sprint(line, " …")
	}
	return line
}
