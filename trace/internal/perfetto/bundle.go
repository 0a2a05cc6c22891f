// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// An unpacker keeps the decompressors of bundles for the next one.
type unpacker struct {
	src  bytes.Reader
	zlib io.ReadCloser
	zstd *zstd.Decoder
}

// errBomb says that bundles expand beyond the limit.
var errBomb = errors.New("compressed packets expand to more than is allowed")

// openBundle makes the packets inside a packet the next ones to be read. They are
// expanded as they are read.
func (rd *Reader) openBundle() {
	pk := &rd.packet
	if rd.win != rd.top {
		rd.complain(Nested, "compressed packets inside compressed packets")
		return
	}
	rd.bundleAt = pk.offset
	z := &rd.zip
	z.src.Reset(pk.payload.bytes(rd.win.b))
	var r io.Reader
	var err error
	if pk.kind == packetZlib {
		rd.bundles[0]++
		if z.zlib == nil {
			z.zlib, err = zlib.NewReader(&z.src)
		} else {
			err = z.zlib.(zlib.Resetter).Reset(&z.src, nil)
		}
		r = z.zlib
	} else {
		rd.bundles[1]++
		if z.zstd == nil {
			z.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<28))
		}
		if err == nil {
			err = z.zstd.Reset(&z.src)
		}
		r = z.zstd
	}
	if err != nil {
		rd.complain(Bundle, "compressed packets: %v", err)
		return
	}
	if rd.inner == nil {
		rd.inner = newWindow(nil, 256<<10)
	}
	rd.inner.reset(&meter{r, &rd.bundleLeft})
	rd.win = rd.inner
}

// closeBundle goes back to the packets around the bundle.
func (rd *Reader) closeBundle() {
	rd.win = rd.top
	rd.zip.src.Reset(nil)
}

// Bundles returns how many bundles of compressed packets there were, zlib and
// zstd.
func (rd *Reader) Bundles() (zlib, zstd int64) { return rd.bundles[0], rd.bundles[1] }

// meter bounds what all bundles together expand to.
type meter struct {
	r    io.Reader
	left *int64
}

func (m *meter) Read(p []byte) (int, error) {
	if *m.left <= 0 {
		return 0, errBomb
	}
	n, err := m.r.Read(p[:min(int64(len(p)), *m.left)])
	*m.left -= int64(n)
	return n, err
}
