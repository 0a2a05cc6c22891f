// SPDX-License-Identifier: Apache-2.0

package runindex

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// prefix of the objects' names; ext ends them. Records of further places of a run
// are below places.
const (
	prefix = "index/"
	places = "places/"
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
// the record would say: added is false then. But where it lies besides, below the
// root, is recorded too: a nightly run that becomes a baseline. The run needs its
// time and the SHA-256 of its captures.
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
		return id, false, ix.addPlace(ctx, id, r.Path, text)
	}
	return id, err == nil, err
}

// addPlace records that a run lies at another place, too.
func (ix Index) addPlace(ctx context.Context, id, at string, record []byte) error {
	if at == "" || !fs.ValidPath(at) {
		return nil // not below the root
	}
	if text, err := ix.Store.Read(ctx, prefix+id+ext); err == nil {
		if old, err := Decode(text); err == nil && old.Path == at {
			return nil
		}
	}
	err := ix.Store.Create(ctx, prefix+placeID(id, at)+ext, record)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// placeID is the name of a record of a further place.
func placeID(id, at string) string {
	sum := sha256.Sum256([]byte(at))
	return places + id + "-" + hex.EncodeToString(sum[:8])
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
		base := strings.TrimPrefix(strings.TrimPrefix(name, prefix), places)
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
	runs = joined(runs)
	slices.SortFunc(runs, func(a, b Run) int {
		return cmp.Or(cmp.Compare(a.TimeUnixNano, b.TimeUnixNano), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(damaged, func(a, b Damage) int { return cmp.Compare(a.Object, b.Object) })
	return runs, damaged, nil
}

// joined makes one run of the records of its places: the first one's, which is not
// below places.
func joined(records []Run) []Run {
	further := func(r Run) bool { return strings.HasPrefix(r.ID, places) }
	slices.SortFunc(records, func(a, b Run) int {
		if further(a) != further(b) {
			if further(b) {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Path, b.Path)
	})
	at := make(map[string]int)
	var out []Run
	for _, r := range records {
		id := r.ID
		if further(r) {
			id = id[len(places):strings.LastIndexByte(id, '-')]
		}
		i, there := at[id]
		switch {
		case !there:
			at[id], r.ID = len(out), id
			out = append(out, r)
		case !slices.Contains(out[i].Also, r.Path) && r.Path != out[i].Path:
			out[i].Also = append(out[i].Also, r.Path)
		}
	}
	return out
}

// decodeObject decodes an object and holds it against its name.
func decodeObject(id string, text []byte) (Run, error) {
	r, err := Decode(text)
	if err != nil {
		return r, err
	}
	r.ID = id
	want, err := r.name()
	if strings.HasPrefix(id, places) {
		want = placeID(want, r.Path)
	}
	if err != nil {
		return r, err
	} else if want != id {
		return r, fmt.Errorf("the object is run %s, not the one its name says", want)
	}
	return r, nil
}
