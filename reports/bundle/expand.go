// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// A packing is how a file is compressed: by its first bytes, whatever its name.
type packing struct {
	magic  string
	reader func(io.Reader) (io.Reader, error)
	writer func(io.Writer) (io.WriteCloser, error)
}

var packings = []packing{
	{"\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }},
	{"\x28\xb5\x2f\xfd", newZstdReader, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }},
	{"\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }},
}

func newZstdReader(r io.Reader) (io.Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// errTooMuch ends the reading of what expands beyond all measure.
var errTooMuch = errors.New("expands beyond all measure")

// expand returns what a file holds, decompressed if it is compressed.
func expand(f *os.File) (io.Reader, *packing, error) {
	r := bufio.NewReaderSize(f, 64<<10)
	head, _ := r.Peek(6) // a shorter file is not compressed
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	for i := range packings {
		p := &packings[i]
		if !bytes.HasPrefix(head, []byte(p.magic)) {
			continue
		}
		plain, err := p.reader(r)
		if err != nil {
			return nil, p, err
		}
		return &bounded{plain, limitsFor(info.Size()).bytes}, p, nil
	}
	return r, nil, nil
}

type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, errTooMuch
	}
	return n, err
}

// look finds values in a file, expanded. Partly says that not all of it could be
// expanded: the rest was looked at as it is.
func look(f *os.File, probes []probe) (found []secret, partly bool, err error) {
	plain, packed, err := expand(f)
	if err == nil {
		s := newSieve(plain, probes, nil)
		if _, err = io.Copy(io.Discard, s); err == nil || packed != nil {
			found = s.found
		}
	}
	switch {
	case err == nil:
		return found, false, rewind(f)
	case packed == nil:
		return nil, false, err
	}
	if err := rewind(f); err != nil {
		return nil, false, err
	}
	s := newSieve(f, probes, nil)
	if _, err := io.Copy(io.Discard, s); err != nil {
		return nil, false, err
	}
	if len(found) == 0 {
		found = s.found
	}
	return found, true, rewind(f)
}

func rewind(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// masked returns what look found in a file overwritten, packed as it was.
func masked(f *os.File, probes []probe, m *masks) (io.ReadCloser, error) {
	plain, packed, err := expand(f)
	if err != nil {
		return nil, err
	}
	s := newSieve(plain, probes, m)
	if packed == nil {
		return io.NopCloser(s), nil
	}
	out, in := io.Pipe()
	go func() {
		w, err := packed.writer(in)
		if err == nil {
			_, err = io.Copy(w, s)
			err = errors.Join(err, w.Close())
		}
		if err != nil {
			err = fmt.Errorf("packing it again: %w", err)
		}
		in.CloseWithError(err)
	}()
	return out, nil
}
