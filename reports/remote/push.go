// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/objects"
)

const (
	manifestFile  = "manifest.json"
	checksumsFile = "checksums.txt"
	maxIndex      = 64 << 20 // bytes of either
)

// partsPrefix is where parts lie until they are composed.
const partsPrefix = "parts/"

// Options are of Push and Pull.
type Options struct {
	Streams  int   // at the same time; 0 = 4
	PartSize int64 // bytes; 0 = 16 MiB
	// Only and Exclude choose files by patterns of path.Match, on the path, the
	// name, or a directory above; those that describe the others always go.
	Only, Exclude []string
	// DropSole lets a push leave out the only complete form of a raw capture,
	// which is otherwise an error that wraps bundle.ErrSoleCapture.
	DropSole bool
	DryRun   bool // says what would be sent or fetched
	// Begin is told how many bytes there are, Moved and Found of those that went
	// and of those that were there, or, negative, must go again. Each may be nil;
	// Moved and Found are called from many goroutines.
	Begin        func(files int, bytes int64)
	Moved, Found func(n int64)
}

func (o Options) withDefaults() Options {
	if o.Streams <= 0 {
		o.Streams = 4
	}
	if o.PartSize <= 0 {
		o.PartSize = 16 << 20
	}
	if o.Begin == nil {
		o.Begin = func(int, int64) {}
	}
	if o.Moved == nil {
		o.Moved = func(int64) {}
	}
	if o.Found == nil {
		o.Found = func(int64) {}
	}
	return o
}

// A Result says what was moved.
type Result struct {
	Files   int   `json:"files"`   // of the run, with those that describe the others
	Bytes   int64 `json:"bytes"`   // of those
	Moved   int   `json:"moved"`   // files, now
	Present int   `json:"present"` // were there already
	// BytesMoved counts what was not there: without parts that an earlier call
	// had moved.
	BytesMoved int64    `json:"bytes_moved"`
	Excluded   []string `json:"excluded"`
	// Captures are excluded captures: without them a copy is no backup.
	Captures int `json:"captures_excluded"`
	// PartsLeft counts parts that could not be removed once they were composed.
	PartsLeft int `json:"parts_left"`
}

// A Conflict is an object that is there with another content.
type Conflict struct {
	Root string
	Info objects.Info
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("%s/%s is there with other content (%d bytes, generation %d, CRC32C %08x)", c.Root, c.Info.Name, c.Info.Size, c.Info.Generation, c.Info.CRC32C)
}

// Push copies a bundle, which must verify, to a run's place below a root.
func Push(ctx context.Context, s objects.Store, dir, run string, opts Options) (*Result, error) {
	m, err := verified(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	p := &push{Options: opts.withDefaults(), store: s, root: root, run: run, there: make(map[string]bool)}
	p.result.Excluded = []string{}
	small, large, err := p.plan(m)
	if err != nil {
		return nil, err
	}
	if err := p.look(ctx); err != nil {
		return nil, err
	}
	p.Begin(p.result.Files, p.result.Bytes)
	if err := p.send(ctx, small, large); err != nil {
		return nil, err
	}
	r := &p.result
	r.Moved, r.Present, r.BytesMoved, r.PartsLeft = int(p.count.Load()), int(p.found.Load()), p.moved.Load(), int(p.left.Load())
	return r, nil
}

// verified returns the manifest of a bundle that is as it was made.
func verified(dir string) (*bundle.Manifest, error) {
	r, err := bundle.Verify(dir)
	switch {
	case err != nil:
		return nil, err
	case !r.Manifest:
		return nil, fmt.Errorf("%s: has no %s, wanted a bundle", dir, manifestFile)
	case !r.OK():
		return nil, fmt.Errorf("%s: does not verify: %s", dir, cmp.Or(first("", r.Problems), first("missing: ", r.Missing), first("changed: ", r.Changed), first("in no list: ", r.Extra)))
	}
	text, err := os.ReadFile(dir + "/" + manifestFile)
	if err != nil {
		return nil, err
	}
	return bundle.Parse(text)
}

func first(what string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	return what + list[0]
}

type push struct {
	Options
	result Result
	store  objects.Store
	root   *os.Root
	run    string
	there  map[string]bool // objects of the run
	moved  atomic.Int64    // bytes
	count  atomic.Int64    // files moved
	found  atomic.Int64    // files present
	left   atomic.Int64    // parts
}

// A source is one file of the bundle.
type source struct {
	path, mediaType string
	size            int64
}

// plan chooses the files, largest first. Those of more than a part are apart.
func (p *push) plan(m *bundle.Manifest) (small, large []source, err error) {
	choose := chooser{p.Only, p.Exclude}
	if err := choose.check(); err != nil {
		return nil, nil, err
	}
	if sole := soleCaptures(m, choose); len(sole) > 0 && !p.DropSole {
		return nil, nil, fmt.Errorf("%s would stay behind: %w", sole[0], bundle.ErrSoleCapture)
	}
	for _, f := range m.Files {
		if !choose.takes(f.Path) {
			p.result.Excluded = append(p.result.Excluded, f.Path)
			if f.Role == "capture" {
				p.result.Captures++
			}
			continue
		}
		src := source{f.Path, f.MediaType, f.Bytes}
		if f.Bytes > p.PartSize {
			large = append(large, src)
		} else {
			small = append(small, src)
		}
		p.result.Files++
		p.result.Bytes += f.Bytes
	}
	for _, list := range [][]source{small, large} {
		slices.SortStableFunc(list, func(a, b source) int { return cmp.Compare(b.size, a.size) })
	}
	for _, name := range []string{checksumsFile, manifestFile} {
		info, err := p.root.Stat(name)
		if err != nil {
			return nil, nil, err
		}
		p.result.Files++
		p.result.Bytes += info.Size()
	}
	return small, large, nil
}

// look lists what is at the run's place.
func (p *push) look(ctx context.Context) error {
	for o, err := range p.store.List(ctx, p.run+"/") {
		if err != nil {
			return err
		}
		p.there[o.Name] = true
	}
	return nil
}

// send sends the claim, the files, and what makes the run whole.
func (p *push) send(ctx context.Context, small, large []source) error {
	if err := p.describing(ctx, checksumsFile, "text/plain"); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Streams)
	for _, src := range small {
		g.Go(func() error { return p.whole(gctx, src) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, src := range large {
		if err := p.inParts(ctx, src); err != nil {
			return err
		}
	}
	return p.describing(ctx, manifestFile, "application/json")
}

// describing sends one of the files that describe the others.
func (p *push) describing(ctx context.Context, name, mediaType string) error {
	info, err := p.root.Stat(name)
	if err != nil {
		return err
	}
	return p.whole(ctx, source{name, mediaType, info.Size()})
}

// whole sends a file as one object.
func (p *push) whole(ctx context.Context, src source) error {
	f, err := p.root.Open(src.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := ctx.Err(); err != nil {
		return err // of another file: this one isn't read any more
	}
	sum, err := sumRange(f, 0, src.size)
	if err != nil {
		return fmt.Errorf("%s: %w", src.path, err)
	}
	name := p.run + "/" + src.path
	if p.there[name] {
		return p.same(ctx, name, src.size, sum)
	}
	if p.DryRun {
		p.moving(src.size)
		p.count.Add(1)
		return nil
	}
	_, err = p.store.Put(ctx, name, objects.Content{Data: f, Size: src.size, CRC32C: sum, MediaType: src.mediaType, Sent: p.moving})
	if errors.Is(err, fs.ErrExist) {
		return p.same(ctx, name, src.size, sum)
	}
	if err == nil {
		p.count.Add(1)
	}
	return err
}

func (p *push) moving(n int64) {
	p.moved.Add(n)
	p.Moved(n)
}

// same compares an object that is there with ours.
func (p *push) same(ctx context.Context, name string, size int64, sum uint32) error {
	o, err := p.store.Stat(ctx, name)
	if err != nil {
		return err
	}
	if o.Size != size || o.CRC32C != sum {
		return &Conflict{p.store.String(), o}
	}
	p.found.Add(1)
	p.Found(size)
	return nil
}

// sumRange is the CRC32C of a part of a file.
func sumRange(f io.ReaderAt, offset, length int64) (uint32, error) {
	h := crc32.New(objects.Castagnoli)
	n, err := io.Copy(h, io.NewSectionReader(f, offset, length))
	if err == nil && n != length {
		err = fmt.Errorf("ends at %d, wanted %d", offset+n, offset+length)
	}
	return h.Sum32(), err
}

// partsOf is the place of a file's parts. Those of another content or size of
// parts are elsewhere.
func (p *push) partsOf(src source, sum uint32) string {
	id := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%08x\n%d\n", p.run, src.path, src.size, sum, p.PartSize))
	return partsPrefix + hex.EncodeToString(id[:12]) + "/"
}
