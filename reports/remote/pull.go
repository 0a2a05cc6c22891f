// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/objects"
)

// sumTries is how often a file is fetched whose checksum doesn't fit.
const sumTries = 3

// Pull copies a run below a root to the directory dir, which must not exist: all
// of it, each byte compared with the object's CRC32C and the manifest's SHA-256,
// or nothing. What is fetched lies in .NAME.pulling beside it, from where the next
// call goes on.
func Pull(ctx context.Context, s objects.Store, run, dir string, opts Options) (*Result, error) {
	p := &pull{Options: opts.withDefaults(), store: s, prefix: strings.TrimSuffix(run, "/") + "/"}
	if run == "" {
		p.prefix = ""
	}
	p.result.Excluded = []string{}
	if _, err := os.Lstat(dir); err == nil {
		return nil, errors.Join(&fs.PathError{Op: "create", Path: dir, Err: fs.ErrExist}, forgetStage(dir))
	}
	files, err := p.plan(ctx)
	if err != nil {
		return nil, err
	}
	p.Begin(p.result.Files, p.result.Bytes)
	r := &p.result
	if p.DryRun {
		r.Moved, r.BytesMoved = r.Files, r.Bytes
		return r, nil
	}
	st, err := openStage(dir, p.sums)
	if err != nil {
		return nil, err
	}
	if err := p.fetchAll(ctx, st, files); err != nil {
		return nil, errors.Join(err, st.close())
	}
	if err := p.verify(st, files); err != nil {
		return nil, errors.Join(err, st.discard())
	}
	r.Moved, r.Present, r.BytesMoved = int(p.count.Load()), int(p.found.Load()), p.moved.Load()
	return r, st.publish(dir)
}

type pull struct {
	Options
	result              Result
	store               objects.Store
	prefix              string
	manifest            *bundle.Manifest
	sums                []byte // checksums.txt: it differs whenever anything does
	moved, count, found atomic.Int64
}

// A remoteFile is a file of the run and its object.
type remoteFile struct {
	bundle.File
	object objects.Info
}

// plan reads what describes the run, and compares it with what is there.
func (p *pull) plan(ctx context.Context) ([]remoteFile, error) {
	choose := chooser{p.Only, p.Exclude}
	if err := choose.check(); err != nil {
		return nil, err
	}
	there := make(map[string]objects.Info)
	for o, err := range p.store.List(ctx, p.prefix) {
		if err != nil {
			return nil, err
		}
		there[strings.TrimPrefix(o.Name, p.prefix)] = o
	}
	where := strings.TrimSuffix(p.store.String()+"/"+p.prefix, "/")
	if _, ok := there[manifestFile]; !ok {
		if len(there) == 0 {
			return nil, &fs.PathError{Op: "pull", Path: where, Err: fs.ErrNotExist}
		}
		return nil, fmt.Errorf("%s: no %s among %d objects: no run, or its push isn't done", where, manifestFile, len(there))
	}
	text, err := objects.ReadAll(ctx, p.store, p.prefix+manifestFile, maxIndex)
	if err != nil {
		return nil, err
	}
	if p.manifest, err = bundle.Parse(text); err != nil {
		return nil, fmt.Errorf("%s: refused: %w", where, err)
	}
	if p.sums, err = objects.ReadAll(ctx, p.store, p.prefix+checksumsFile, maxIndex); err != nil {
		return nil, err
	}
	var files []remoteFile
	for _, name := range []string{manifestFile, checksumsFile} {
		files = append(files, remoteFile{bundle.File{Path: name, Bytes: there[name].Size}, there[name]})
	}
	for _, f := range p.manifest.Files {
		o, ok := there[f.Path]
		switch {
		case !choose.takes(f.Path):
			p.result.Excluded = append(p.result.Excluded, f.Path)
			if f.Role == "capture" {
				p.result.Captures++
			}
			continue
		case !ok:
			return nil, fmt.Errorf("%s: %s isn't there: it was not pushed; --exclude leaves it out", where, f.Path)
		case o.Size != f.Bytes:
			return nil, fmt.Errorf("%s: refused: %s: %d bytes, %s says %d", where, f.Path, o.Size, manifestFile, f.Bytes)
		}
		files = append(files, remoteFile{f, o})
	}
	for _, f := range files {
		p.result.Files++
		p.result.Bytes += f.Bytes
	}
	return files, nil
}

// fetchAll fetches files, and those again whose checksum doesn't fit.
func (p *pull) fetchAll(ctx context.Context, st *stage, files []remoteFile) error {
	for try := 1; len(files) > 0; try++ {
		var bad []remoteFile
		if err := p.ranges(ctx, st, files); err != nil {
			return err
		}
		for _, f := range files {
			o, err := p.store.Stat(ctx, f.object.Name)
			if err != nil {
				return err
			}
			sum, fresh := st.sum(f.Path, f.object.Size)
			switch {
			case o.Generation != f.object.Generation:
				return &fs.PathError{Op: "pull", Path: p.store.String() + "/" + o.Name, Err: objects.ErrChanged}
			case sum == o.CRC32C:
				if fresh {
					p.count.Add(1)
				} else {
					p.found.Add(1)
				}
			case try >= sumTries:
				return fmt.Errorf("%s/%s: %w: found %08x, wanted %08x, %d times", p.store, o.Name, objects.ErrSum, sum, o.CRC32C, try)
			default:
				p.Moved(-f.object.Size)
				st.drop(f.Path)
				bad = append(bad, f)
			}
		}
		files = bad
	}
	return nil
}

// ranges fetches what is missing of the files.
func (p *pull) ranges(ctx context.Context, st *stage, files []remoteFile) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Streams)
	for _, f := range files {
		if gctx.Err() != nil {
			break // Wait says why
		}
		if err := st.begin(f.Path, f.object, p.PartSize); err != nil {
			return errors.Join(err, g.Wait())
		}
		for offset := int64(0); offset < f.object.Size && gctx.Err() == nil; offset += p.PartSize {
			n := min(p.PartSize, f.object.Size-offset)
			if st.has(f.Path, offset) {
				p.Found(n)
				continue
			}
			g.Go(func() error { return p.fetch(gctx, st, f, offset, n) })
		}
	}
	return cmp.Or(g.Wait(), ctx.Err())
}

// fetch fetches one range.
func (p *pull) fetch(ctx context.Context, st *stage, f remoteFile, offset, n int64) (err error) {
	r, err := p.store.Read(ctx, f.object.Name, f.object.Generation, offset, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return st.write(f.Path, offset, n, &movedReader{r, p})
}

// verify compares the files with their hashes.
func (p *pull) verify(st *stage, files []remoteFile) error {
	if len(p.result.Excluded) > 0 {
		for _, f := range files {
			if err := st.check(f.Path, f.SHA256); err != nil {
				return fmt.Errorf("%s: refused: %w", p.store, err)
			}
		}
		return nil
	}
	r, err := bundle.Verify(st.files)
	if err == nil && !r.OK() {
		bad := slices.Concat(r.Problems, r.Changed, r.Missing, r.Extra)
		err = fmt.Errorf("%s/%s: refused: %s: not as its manifest says", p.store, strings.TrimSuffix(p.prefix, "/"), bad[0])
	}
	return err
}

type movedReader struct {
	r interface{ Read(p []byte) (int, error) }
	p *pull
}

func (m *movedReader) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.p.moved.Add(int64(n))
	m.p.Moved(int64(n))
	return n, err
}

// pullingDir is where a target's files are until they are all there.
func pullingDir(target string) string {
	return filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".pulling")
}
