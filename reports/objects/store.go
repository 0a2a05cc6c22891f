// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxParts is how many objects one Compose joins, at most.
const MaxParts = 32

// ErrChanged is the error of a read whose object has another generation by now,
// ErrSum that of bytes that have not the CRC32C they should.
var (
	ErrChanged = errors.New("the object is another one by now")
	ErrSum     = errors.New("the bytes don't have their CRC32C")
)

// Castagnoli is the polynomial of CRC32C.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Store holds objects below one root. Names are slash-separated and relative
// to it. All methods may be called at the same time, by any number of processes.
type Store interface {
	// Stat describes an object: fs.ErrNotExist when there is none.
	Stat(ctx context.Context, name string) (Info, error)
	// Read reads length bytes from an offset on, all the rest when length is
	// negative, of an object's generation, the newest when that is 0. The reader
	// fails with io.ErrUnexpectedEOF when the object has fewer, with ErrChanged
	// when the generation is another one, with ErrSum when a whole object came
	// otherwise than it was stored; each may come from Read already.
	Read(ctx context.Context, name string, generation, offset, length int64) (io.ReadCloser, error)
	// Put creates an object, checked against its CRC32C. It fails with
	// fs.ErrExist when there is one of that name, whatever its content; of
	// several that create it at once, one succeeds.
	Put(ctx context.Context, name string, c Content) (Info, error)
	// Compose creates an object of at most MaxParts others, one after the other,
	// like Put. The parts must still be those described.
	Compose(ctx context.Context, name string, parts []Info, c Content) (Info, error)
	// List returns the objects whose names begin with a prefix, in any order and
	// without CRC32C; none when the root doesn't exist.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object if it is still the one described. It is for what
	// the caller itself made for a while; none of that name is no error.
	Delete(ctx context.Context, o Info) error
	// String is the root as users write it.
	String() string
}

// An Info describes one object.
type Info struct {
	Name string
	Size int64
	// Generation is a number of this content, never 0; another content of the
	// same name has another one.
	Generation int64
	CRC32C     uint32
	Time       time.Time // when it was created
}

// Content is what Put writes. Compose needs no Data.
type Content struct {
	Data   io.ReaderAt
	Size   int64
	CRC32C uint32
	// MediaType is "" for bytes of no known kind.
	MediaType string
	// Part marks an object that will be deleted soon.
	Part bool
	// Sent is told of bytes as they go, and of a negative number when some must
	// go again; nil: nobody is. It may be called from other goroutines.
	Sent func(n int64)
}

// CheckName refuses names that not every store can hold, or that lead elsewhere.
func CheckName(name string) error {
	switch {
	case !fs.ValidPath(name) || name == "." || len(name) > 1000:
		return fmt.Errorf("object %q: wanted a plain relative path of at most 1000 bytes", name)
	case !utf8.ValidString(name) || strings.ContainsAny(name, "\\") || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("object %q: has a backslash, a control character or no UTF-8", name)
	}
	return nil
}

// ReadAll reads a small object whole.
func ReadAll(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	for tries := 1; ; tries++ {
		data, err := readAll(ctx, s, name, limit)
		if tries < 3 && errors.Is(err, ErrSum) {
			continue
		}
		return data, err
	}
}

func readAll(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	r, err := s.Read(ctx, name, 0, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", name, limit)
	}
	return data, err
}
