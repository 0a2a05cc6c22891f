// SPDX-License-Identifier: Apache-2.0

package runindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// prefix of the objects' names; ext ends them.
const (
	prefix = "index/"
	ext    = ".json"
)

// readers is how many objects are read at once: in a bucket each is a request.
const readers = 16

// A Store holds the objects of an index: a directory ([Dir]) or a bucket ([On]). Names
// are slash-separated and relative to the root.
type Store interface {
	// Create writes a new object, whole or not at all. It fails with
	// fs.ErrExist when there is one of that name; of several that create it at
	// once, one succeeds.
	Create(ctx context.Context, name string, data []byte) error
	// Read returns an object, fs.ErrNotExist when there is none.
	Read(ctx context.Context, name string) ([]byte, error)
	// List returns the names that begin with a prefix, in any order; none when
	// the root doesn't exist.
	List(ctx context.Context, prefix string) ([]string, error)
}

// An Index is the index of one root. It keeps no state: what another process
// added a moment ago is there.
type Index struct{ Store Store }

// A Damage is an object that is no run.
type Damage struct {
	Object string
	Err    error
}

// Add records a run. A run that is there already is left as it is, whatever else
// the record would say: added is false then. The run needs its time and the
// SHA-256 of its captures.
func (ix Index) Add(ctx context.Context, r Run) (id string, added bool, err error) {
	r.Schema = Schema
	if id, err = r.name(); err != nil {
		return "", false, err
	}
	text, err := r.encode()
	if err != nil {
		return "", false, err
	}
	err = ix.Store.Create(ctx, prefix+id+ext, text)
	if errors.Is(err, fs.ErrExist) {
		return id, false, nil
	}
	return id, err == nil, err
}

// Runs returns all runs, ordered by time. Objects that are no runs, or not those
// that their names say, are counted as damage; other files are none of the
// index's.
func (ix Index) Runs(ctx context.Context) (runs []Run, damaged []Damage, err error) {
	names, err := ix.Store.List(ctx, prefix)
	if err != nil {
		return nil, nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		base := strings.TrimPrefix(name, prefix)
		return strings.HasPrefix(base, ".") || strings.Contains(base, "/") || path.Ext(base) != ext
	})
	all, errs := make([]Run, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, readers)
	for i, name := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			text, err := ix.Store.Read(ctx, name)
			if err == nil {
				all[i], err = decodeObject(strings.TrimSuffix(strings.TrimPrefix(name, prefix), ext), text)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	for i, name := range names {
		if errs[i] != nil {
			damaged = append(damaged, Damage{name, errs[i]})
		} else {
			runs = append(runs, all[i])
		}
	}
	slices.SortFunc(runs, func(a, b Run) int {
		return cmp.Or(cmp.Compare(a.TimeUnixNano, b.TimeUnixNano), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(damaged, func(a, b Damage) int { return cmp.Compare(a.Object, b.Object) })
	return runs, damaged, nil
}

// decodeObject decodes an object and holds it against its name.
func decodeObject(id string, text []byte) (Run, error) {
	r, err := Decode(text)
	if err != nil {
		return r, err
	}
	r.ID = id
	if want, err := r.name(); err != nil {
		return r, err
	} else if want != id {
		return r, fmt.Errorf("the object is run %s, not the one its name says", want)
	}
	return r, nil
}
