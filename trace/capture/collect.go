// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxFound bounds the files that one window may leave behind.
const maxFound = 10_000

// A found is a file of a directory that a server writes into.
type found struct {
	path, rel string
	bytes     int64
}

// collect waits until the files of a window are whole and copies them. A server
// writes them after it has said that it is idle.
func (s *Server) collect(ctx context.Context, res *Result, set *Settings) error {
	dir := set.LocalDir
	if dir == "" {
		dir = set.ServerDir
	}
	if strings.Contains(dir, "://") {
		if set.discard {
			return nil
		}
		return s.collectRemote(ctx, res, set, dir)
	}
	files, err := settle(ctx, dir, set.Settle)
	if err != nil {
		res.ServerPath = set.ServerDir
		return fmt.Errorf("%s: %w", s.URL, err)
	}
	if set.discard {
		_ = os.RemoveAll(dir) // made for this window; it may be another user's
		return nil
	}
	for _, f := range files {
		if err := s.keep(res, set, f); err != nil {
			return err
		}
	}
	if set.ServerDir == filepath.Join(os.TempDir(), "layerscope-"+set.Session) && set.LocalDir == "" {
		_ = os.RemoveAll(set.ServerDir) // made for this window; it may be another user's
	}
	return nil
}

// collectRemote fetches a directory until what is there is whole.
func (s *Server) collectRemote(ctx context.Context, res *Result, set *Settings, from string) error {
	res.ServerPath = from
	if set.Fetch == nil {
		res.note("%s: the capture is at %s", s.URL, from)
		return nil
	}
	deadline := time.Now().Add(set.Settle)
	for pause := time.Second; ; pause = min(2*pause, 8*time.Second) {
		temp, err := os.MkdirTemp("", "layerscope-fetch-*")
		if err != nil {
			return err
		}
		err = set.Fetch(ctx, from, temp)
		var files []found
		if err == nil {
			files, err = settle(ctx, temp, 0)
		}
		if err == nil {
			for _, f := range files {
				err = errors.Join(err, s.keep(res, set, f))
			}
			return errors.Join(err, os.RemoveAll(temp))
		}
		err = errors.Join(err, os.RemoveAll(temp))
		if time.Now().Add(pause).After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s: %s: %w", s.URL, from, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// settle waits until captures are in a directory, none grows any more and each
// is whole; with no time, it looks once.
func settle(ctx context.Context, dir string, limit time.Duration) ([]found, error) {
	deadline := time.Now().Add(limit)
	var before []found
	for {
		files, other, err := look(dir)
		if err == nil && len(files) > 0 && (limit == 0 || slices.Equal(files, before)) {
			if err = whole(files); err == nil {
				return files, nil
			}
		}
		before = files
		if !time.Now().Before(deadline) || ctx.Err() != nil {
			if err == nil && len(files) > 0 {
				err = errors.New("files still grow")
			} else if err == nil || errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w: wanted *.xplane.pb, found %d other files", errNoFiles, other)
			}
			return nil, fmt.Errorf("%s: after %v: %w", dir, limit, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// look lists the captures below a directory: XSpaces, or JSON where there are
// none. Links are not followed.
func look(dir string) (files []found, other int, err error) {
	var json []found
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if other++; other > maxFound {
			return fmt.Errorf("more than %d files", maxFound)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		f := found{p, filepath.ToSlash(rel), info.Size()}
		switch {
		case strings.HasSuffix(p, ".xplane.pb"):
			files = append(files, f)
		case strings.HasSuffix(p, ".trace.json.gz"):
			json = append(json, f)
		}
		return nil
	})
	if len(files) == 0 {
		files = json
	}
	return files, other - len(files), err
}

// whole wants each XSpace to end where its last field does.
func whole(files []found) error {
	for _, file := range files {
		if !strings.HasSuffix(file.path, ".xplane.pb") {
			continue
		}
		f, err := os.Open(file.path)
		if err != nil {
			return err
		}
		var sp space
		err = errors.Join(readSpace(f, file.bytes, &sp), f.Close())
		if err == nil && file.bytes == 0 {
			err = errors.New("0 bytes")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file.rel, err)
		}
	}
	return nil
}

// keep copies a file into the capture's directory, those of a stage into one of
// their own.
func (s *Server) keep(res *Result, set *Settings, file found) error {
	if file.bytes > s.target.MaxBytes {
		return fmt.Errorf("%s: %d bytes, wanted at most %d", file.path, file.bytes, s.target.MaxBytes)
	}
	stage, dir := "", res.Dir
	if first, _, deeper := strings.Cut(file.rel, "/"); deeper && first != "plugins" {
		stage = fileName(first)
		dir = filepath.Join(set.Dir, stage, "plugins", "profile", res.Session)
	}
	in, err := os.Open(file.path)
	if err != nil {
		return err
	}
	defer in.Close()
	var sp space
	name := fileName(filepath.Base(file.path))
	at, n, err := receive(dir, func(f *os.File) (string, error) {
		r := io.TeeReader(io.LimitReader(in, file.bytes), f)
		if strings.HasSuffix(name, ".xplane.pb") {
			return name, readSpace(r, file.bytes, &sp)
		}
		_, err := io.Copy(io.Discard, r)
		return name, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", file.path, err)
	}
	for _, h := range sp.hosts {
		if !slices.Contains(res.Hosts, h) && len(res.Hosts) < maxTexts {
			res.Hosts = append(res.Hosts, h)
		}
	}
	host, _, _ := strings.Cut(name, ".xplane.pb")
	res.Files = append(res.Files, File{Path: at, Host: host, Stage: stage, Bytes: n})
	return nil
}
