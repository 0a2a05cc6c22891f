// SPDX-License-Identifier: Apache-2.0

//go:build !nocloud

package gcs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"path"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"

	"github.com/layerscope/layerscope/reports/objects"
)

// nonceKey names the metadata that says which call created an object.
const nonceKey = "layerscope-writer"

// A bucket is the objects of a bucket below a prefix.
type bucket struct {
	Options
	name, prefix string // prefix ends in "/", or is ""
	client       *storage.Client
	handle       *storage.BucketHandle
}

// Open returns the bucket of an address gs://bucket/prefix. Nothing is asked of
// it yet.
func Open(ctx context.Context, address string, opts Options) (objects.Store, error) {
	name, prefix, err := Split(address)
	if err != nil {
		return nil, err
	}
	client, err := storage.NewClient(ctx, storage.WithDisabledClientMetrics())
	if err != nil {
		return nil, &hinted{fmt.Errorf("%s: %w", address, err), credentialsHint}
	}
	if prefix != "" {
		prefix += "/"
	}
	client.SetRetry(storage.WithPolicy(storage.RetryNever)) // tries are ours: counted, and with a watch on stalls
	return &bucket{opts.withDefaults(), name, prefix, client, client.Bucket(name)}, nil
}

const credentialsHint = "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS=key.json"

func (b *bucket) String() string { return strings.TrimSuffix("gs://"+b.name+"/"+b.prefix, "/") }

func (b *bucket) object(name string) *storage.ObjectHandle { return b.handle.Object(b.prefix + name) }

// info describes an object; names are below the prefix.
func (b *bucket) info(o *storage.ObjectAttrs) objects.Info {
	return objects.Info{Name: strings.TrimPrefix(o.Name, b.prefix), Size: o.Size, Generation: o.Generation, CRC32C: o.CRC32C, Time: o.Created}
}

func (b *bucket) Stat(ctx context.Context, name string) (objects.Info, error) {
	attrs, err := b.stat(ctx, name)
	if err != nil {
		return objects.Info{}, err
	}
	return b.info(attrs), nil
}

func (b *bucket) stat(ctx context.Context, name string) (attrs *storage.ObjectAttrs, err error) {
	if err := objects.CheckName(name); err != nil {
		return nil, err
	}
	err = b.tries(ctx, "stat "+name, func(ctx context.Context, _ func()) (err error) {
		attrs, err = b.object(name).Attrs(ctx)
		return err
	})
	return attrs, b.explain("stat", name, err)
}

func (b *bucket) Put(ctx context.Context, name string, c objects.Content) (objects.Info, error) {
	return b.create(ctx, "put", name, c, func(ctx context.Context, tick func(), o *storage.ObjectHandle, c objects.Content, meta map[string]string) (*storage.ObjectAttrs, error) {
		ctx, abort := context.WithCancel(ctx)
		defer abort()
		w := o.NewWriter(ctx)
		w.ChunkSize = 0 // one request, and no copy of the bytes: what is repeated is read again
		w.SendCRC32C, w.CRC32C = true, c.CRC32C
		w.ContentType, w.Metadata = c.MediaType, meta
		if c.Part {
			w.StorageClass = "STANDARD" // others charge for objects that are deleted early
		}
		n, err := io.Copy(w, &ticking{objects.Reading(ctx, c), tick})
		if err == nil && n != c.Size {
			err = fmt.Errorf("%s: has %d bytes by now, wanted %d", name, n, c.Size)
		}
		if err != nil {
			abort() // else what was sent so far would become the object
			_ = w.Close()
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return w.Attrs(), nil
	})
}

func (b *bucket) Compose(ctx context.Context, name string, parts []objects.Info, c objects.Content) (objects.Info, error) {
	if len(parts) == 0 || len(parts) > objects.MaxParts {
		return objects.Info{}, fmt.Errorf("%s: %d parts, wanted 1 to %d", name, len(parts), objects.MaxParts)
	}
	c.Sent = nil
	return b.create(ctx, "compose", name, c, func(ctx context.Context, _ func(), o *storage.ObjectHandle, c objects.Content, meta map[string]string) (*storage.ObjectAttrs, error) {
		var from []*storage.ObjectHandle
		for _, p := range parts {
			from = append(from, b.object(p.Name).Generation(p.Generation))
		}
		composer := o.ComposerFrom(from...)
		composer.SendCRC32C, composer.CRC32C = true, c.CRC32C
		composer.ContentType, composer.Metadata = c.MediaType, meta
		if c.Part {
			composer.StorageClass = "STANDARD"
		}
		return composer.Run(ctx)
	})
}

type creation func(ctx context.Context, tick func(), o *storage.ObjectHandle, c objects.Content, meta map[string]string) (*storage.ObjectAttrs, error)

// create creates an object under the condition that there is none. When an
// earlier try may have created it and its answer was lost, the object that is
// there now is looked at.
func (b *bucket) create(ctx context.Context, op, name string, c objects.Content, do creation) (objects.Info, error) {
	if err := objects.CheckName(name); err != nil {
		return objects.Info{}, err
	}
	nonce := rand.Text()
	var sent int64
	if told := c.Sent; told != nil {
		c.Sent = func(n int64) { sent += n; told(n) }
	}
	var attrs *storage.ObjectAttrs
	lost := false
	err := b.tries(ctx, op+" "+name, func(ctx context.Context, tick func()) (err error) {
		if c.Sent != nil && sent > 0 {
			c.Sent(-sent)
		}
		attrs, err = do(ctx, tick, b.object(name).If(storage.Conditions{DoesNotExist: true}), c, map[string]string{nonceKey: nonce})
		if err != nil && statusOf(err) != http.StatusPreconditionFailed {
			lost = true
		}
		return err
	})
	if lost && statusOf(err) == http.StatusPreconditionFailed {
		if there, statErr := b.stat(ctx, name); statErr == nil && there.Metadata[nonceKey] == nonce {
			attrs, err = there, nil
			if c.Sent != nil {
				c.Sent(c.Size - sent) // the last try was turned away
			}
		}
	}
	if err != nil {
		if c.Sent != nil && sent > 0 {
			c.Sent(-sent)
		}
		return objects.Info{}, b.explain(op, name, err)
	}
	if attrs.CRC32C != c.CRC32C || attrs.Size != c.Size {
		return objects.Info{}, fmt.Errorf("%s/%s: %w: the bucket has %d bytes of CRC32C %08x, sent were %d of %08x", b, name, objects.ErrSum, attrs.Size, attrs.CRC32C, c.Size, c.CRC32C)
	}
	return b.info(attrs), nil
}

func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[objects.Info, error] {
	return func(yield func(objects.Info, error) bool) {
		q := &storage.Query{Prefix: b.prefix + prefix, Projection: storage.ProjectionNoACL}
		err := q.SetAttrSelection([]string{"Name", "Size", "Generation", "Created"})
		token := ""
		for more := err == nil; more; more = token != "" {
			var page []*storage.ObjectAttrs
			var next string
			err = b.tries(ctx, "list "+prefix, func(ctx context.Context, _ func()) (err error) {
				page = page[:0]
				next, err = iterator.NewPager(b.handle.Objects(ctx, q), 1000, token).NextPage(&page)
				return err
			})
			if err != nil {
				break
			}
			token = next
			for _, o := range page {
				i := b.info(o)
				i.CRC32C = 0
				if !yield(i, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(objects.Info{}, b.explain("list", strings.TrimSuffix(path.Clean(prefix), "."), err))
		}
	}
}

func (b *bucket) Delete(ctx context.Context, o objects.Info) error {
	err := b.tries(ctx, "delete "+o.Name, func(ctx context.Context, _ func()) error {
		return b.object(o.Name).If(storage.Conditions{GenerationMatch: o.Generation}).Delete(ctx)
	})
	err = b.explain("remove", o.Name, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrExist): // the precondition
		return &fs.PathError{Op: "remove", Path: o.Name, Err: objects.ErrChanged}
	}
	return err
}

// explain makes the client's error one of package objects.
func (b *bucket) explain(op, name string, err error) error {
	full := b.String() + "/" + name
	switch code := statusOf(err); {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrBucketNotExist), code == http.StatusNotFound && op == "put":
		return &hinted{fmt.Errorf("gs://%s: no such bucket, or none that these credentials may see", b.name), "gcloud storage buckets create gs://" + b.name + " makes it"}
	case errors.Is(err, storage.ErrObjectNotExist), code == http.StatusNotFound:
		return &fs.PathError{Op: op, Path: full, Err: fs.ErrNotExist}
	case code == http.StatusPreconditionFailed:
		return &fs.PathError{Op: op, Path: full, Err: fs.ErrExist}
	case code == http.StatusForbidden, code == http.StatusUnauthorized:
		return &hinted{fmt.Errorf("%s: %s: %w", full, op, err), "the account needs roles/storage.objectUser on the bucket, roles/storage.objectViewer to read"}
	}
	return fmt.Errorf("%s: %s: %w", full, op, err)
}

func statusOf(err error) int {
	var api *googleapi.Error
	if errors.As(err, &api) {
		return api.Code
	}
	return 0
}
