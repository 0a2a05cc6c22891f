// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/layerscope/layerscope/reports/objects"
)

// mostTries bounds how often a file is sent whose parts others remove meanwhile.
const mostTries = 8

// inParts sends a file as parts and composes them. Two that send the same file at
// once help each other; when the other one is done first, and has removed the
// parts, the object is there.
func (p *push) inParts(ctx context.Context, src source) error {
	f, err := p.root.Open(src.path)
	if err != nil {
		return err
	}
	defer f.Close()
	name := p.run + "/" + src.path
	for try := 1; ; try++ {
		if p.there[name] {
			return p.sameLarge(ctx, f, src, name)
		}
		err := p.assemble(ctx, f, src, name)
		switch {
		case errors.Is(err, fs.ErrExist):
			p.there[name] = true
		case (errors.Is(err, fs.ErrNotExist) || errors.Is(err, objects.ErrChanged)) && try < mostTries:
			// Somebody was done first and removed the parts; a third may have sent some again.
			if _, statErr := p.store.Stat(ctx, name); statErr == nil {
				p.there[name] = true
			}
		default:
			return err
		}
	}
}

// sameLarge compares an object that is there, and removes the parts that it was
// made of if somebody was killed before that.
func (p *push) sameLarge(ctx context.Context, f *os.File, src source, name string) error {
	_, sum, err := p.sums(ctx, f, src.size)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	err = p.same(ctx, name, src.size, sum)
	if err == nil && !p.DryRun {
		p.tidy(ctx, p.partsOf(src, sum))
	}
	return err
}

// assemble sends the parts that aren't there, joins them, and removes them.
func (p *push) assemble(ctx context.Context, f *os.File, src source, name string) (err error) {
	var told, seen atomic.Int64
	found := func(n int64) { seen.Add(n); p.Found(n) }
	defer func() {
		if err != nil {
			p.Moved(-told.Load())
			p.Found(-seen.Load())
		}
	}()
	sums, whole, err := p.sums(ctx, f, src.size)
	if err != nil {
		return fmt.Errorf("%s: %w", src.path, err)
	}
	at := p.partsOf(src, whole)
	there := make(map[string]objects.Info)
	for o, err := range p.store.List(ctx, at) {
		if err != nil {
			return err
		}
		there[o.Name] = o
	}
	parts := make([]objects.Info, len(sums))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Streams)
	for i := range parts {
		if gctx.Err() != nil {
			break // Wait says why
		}
		offset := int64(i) * p.PartSize
		c := objects.Content{Data: &shifted{f, offset}, Size: min(p.PartSize, src.size-offset), CRC32C: sums[i], Part: true, Sent: func(n int64) { told.Add(n); p.moving(n) }}
		part := fmt.Sprintf("%s%06d-%08x", at, i, sums[i])
		if o, ok := there[part]; ok && o.Size == c.Size {
			parts[i] = o
			parts[i].CRC32C = sums[i]
			found(c.Size)
			continue
		}
		g.Go(func() (err error) {
			parts[i], err = p.part(gctx, part, c, found)
			return err
		})
	}
	if err := cmp.Or(g.Wait(), ctx.Err()); err != nil || p.DryRun {
		if err == nil {
			p.count.Add(1)
		}
		return err
	}
	err = p.join(ctx, at, name, parts, objects.Content{Size: src.size, CRC32C: whole, MediaType: src.mediaType})
	if err == nil {
		p.count.Add(1)
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		p.tidy(ctx, at)
	}
	return err
}

// sums are those of the parts, and of all.
func (p *push) sums(ctx context.Context, f *os.File, size int64) (parts []uint32, whole uint32, err error) {
	for offset := int64(0); offset < size; offset += p.PartSize {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		n := min(p.PartSize, size-offset)
		sum, err := sumRange(f, offset, n)
		if err != nil {
			return nil, 0, err
		}
		parts = append(parts, sum)
		whole = objects.JoinCRC32C(whole, sum, n)
	}
	return parts, whole, nil
}

func (p *push) part(ctx context.Context, name string, c objects.Content, found func(int64)) (objects.Info, error) {
	if p.DryRun {
		c.Sent(c.Size)
		return objects.Info{}, nil
	}
	o, err := p.store.Put(ctx, name, c)
	if errors.Is(err, fs.ErrExist) { // another process sent it a moment ago
		found(c.Size)
		return p.store.Stat(ctx, name)
	}
	return o, err
}

// join composes parts to an object, by way of others where there are too many.
func (p *push) join(ctx context.Context, at, name string, parts []objects.Info, c objects.Content) error {
	for level := 1; len(parts) > objects.MaxParts; level++ {
		var next []objects.Info
		for len(parts) > 0 {
			group := parts[:min(len(parts), objects.MaxParts)]
			parts = parts[len(group):]
			o, err := p.joinGroup(ctx, fmt.Sprintf("%sjoined-%d-%04d", at, level, len(next)), group)
			if err != nil {
				return err
			}
			next = append(next, o)
		}
		parts = next
	}
	_, err := p.store.Compose(ctx, name, parts, c)
	return err
}

func (p *push) joinGroup(ctx context.Context, name string, group []objects.Info) (objects.Info, error) {
	c := objects.Content{Part: true}
	for _, o := range group {
		c.CRC32C = objects.JoinCRC32C(c.CRC32C, o.CRC32C, o.Size)
		c.Size += o.Size
	}
	o, err := p.store.Compose(ctx, name, group, c)
	if !errors.Is(err, fs.ErrExist) {
		return o, err
	}
	o, err = p.store.Stat(ctx, name)
	if err == nil && (o.Size != c.Size || o.CRC32C != c.CRC32C) {
		err = &Conflict{p.store.String(), o}
	}
	return o, err
}

// tidy removes a file's parts, those that an earlier call left too. Where that
// is forbidden they stay, and are counted.
func (p *push) tidy(ctx context.Context, at string) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Streams)
	for o, err := range p.store.List(ctx, at) {
		if err != nil {
			p.left.Add(1)
			break
		}
		g.Go(func() error {
			if err := p.store.Delete(gctx, o); err != nil && !errors.Is(err, objects.ErrChanged) {
				p.left.Add(1)
			}
			return nil
		})
	}
	_ = g.Wait() // counted above
}

// shifted is a file from an offset on.
type shifted struct {
	f      *os.File
	offset int64
}

func (s *shifted) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, s.offset+off) }
