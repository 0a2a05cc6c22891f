// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/layerscope/layerscope/trace/internal/inflate"
)

// compression tells how a file is compressed by its first bytes; "" = not.
func compression(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "+gzip"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "+zstd"
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return "+xz"
	}
	return ""
}

// defaultLimit is what a compressed file may expand to unless it is raised.
const defaultLimit = 64 << 30

// expand returns a reader of the decompressed bytes, at most limit of them
// (64 GiB if 0).
func expand(kind string, r io.Reader, limit int64) (io.Reader, error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	var src io.Reader
	var err error
	switch kind {
	case "+gzip":
		return inflate.NewReader(r, inflate.Options{MaxBytes: limit})
	case "+zstd":
		var d *zstd.Decoder
		d, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			src = d.IOReadCloser()
		}
	case "+xz":
		br := bufio.NewReader(r)
		if err = checkXZ(br); err == nil {
			src, err = xz.NewReader(br)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s stream: %w", kind[1:], err)
	}
	return &bounded{r: src, left: limit, limit: limit}, nil
}

// maxWindow bounds how far back compressed data may refer, which is memory that a
// reader needs: zstd's own limit without --long, twice what xz -9 takes.
const maxWindow = 128 << 20

// checkXZ looks at the header of the first block of an xz stream, which stands
// behind 12 bytes of the stream's: a dictionary as large as it says is made before
// anything is read.
func checkXZ(br *bufio.Reader) error {
	head, _ := br.Peek(12 + 32)
	for i := 12; i+2 < len(head) && i < 12+20; i++ {
		if head[i] == 0x21 && head[i+1] == 1 { // the filter LZMA2 and its one byte
			bits := head[i+2]
			if size := uint64(2|bits&1) << (bits/2 + 11); bits > 40 || size > maxWindow {
				return &InputError{Msg: fmt.Sprintf("xz with a dictionary of %d MiB, wanted at most %d", size>>20, maxWindow>>20), Hint: "decompress it with xz, or compress it again with less"}
			}
			return nil
		}
	}
	return nil // the reader says what is wrong with it
}

// bounded fails when more than its limit is read: a bomb.
type bounded struct {
	r           io.Reader
	left, limit int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLarge(b.limit)
	}
	return n, err
}

// spillAt is how much decompressed data is held in memory before it goes to a
// temporary file.
const spillAt = 1 << 30

// slurp reads all of r into memory, or into a temporary file when it is large.
// With an error it returns what was read before it.
func (t *Trace) slurp(r io.Reader) (io.ReaderAt, int64, error) {
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(r, spillAt))
	if n < spillAt || err != nil {
		return bytes.NewReader(buf.Bytes()), n, err
	}
	f, ferr := os.CreateTemp("", "layerscope-*.tmp")
	if ferr != nil {
		return nil, 0, ferr
	}
	t.closers = append(t.closers, tempFile{f})
	if _, err := f.Write(buf.Bytes()); err != nil {
		return nil, 0, err
	}
	buf.Reset()
	more, err := io.Copy(f, r)
	return f, n + more, err
}

// A tempFile is removed when it is closed.
type tempFile struct{ *os.File }

func (f tempFile) Close() error {
	return errors.Join(f.File.Close(), os.Remove(f.Name()))
}

// tooLarge is the error of a decompression bomb.
func tooLarge(limit int64) error {
	if limit <= 0 {
		limit = defaultLimit
	}
	return &InputError{Msg: fmt.Sprintf("expands to more than %d bytes", limit), Hint: "raise --max-decompressed if the file is to be trusted", err: inflate.ErrLimit}
}
