// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4

	maxText = 64 << 10 // of a name or comment
)

// header reads a member's header into h.
func (z *Reader) header(h *Header) {
	z.reach, z.crc, z.size, z.last, z.state = z.op, 0, 0, false, atBlock
	p := z.bytes(10, "a gzip header")
	if p == nil {
		return
	}
	if p[0] != 0x1f || p[1] != 0x8b {
		z.ip -= 10
		z.fail(fmt.Sprintf("found %q, wanted a gzip header", p[:2]), ErrHeader)
		return
	}
	flags := p[3]
	if p[2] != 8 {
		z.ip -= 10
		z.fail(fmt.Sprintf("found gzip method %d, wanted 8, deflate", p[2]), ErrHeader)
		return
	}
	if t := binary.LittleEndian.Uint32(p[4:]); t != 0 {
		h.ModTime = time.Unix(int64(t), 0)
	}
	h.OS = p[9]
	sum := crc32.ChecksumIEEE(p)
	if flags&flagExtra != 0 {
		h.Extra = z.extra(&sum)
	}
	if flags&flagName != 0 {
		h.Name = z.text(&sum)
	}
	if flags&flagComment != 0 {
		h.Comment = z.text(&sum)
	}
	if flags&flagHeaderCRC != 0 && z.err == nil {
		p := z.bytes(2, "a header checksum")
		if p != nil && binary.LittleEndian.Uint16(p) != uint16(sum) {
			z.fail("found a gzip header that its checksum denies", ErrHeader)
		}
	}
}

func (z *Reader) extra(sum *uint32) []byte {
	p := z.bytes(2, "a header's extra field")
	if p == nil {
		return nil
	}
	*sum = crc32.Update(*sum, crc32.IEEETable, p)
	extra := make([]byte, binary.LittleEndian.Uint16(p))
	for i := range extra {
		p := z.bytes(1, "a header's extra field")
		if p == nil {
			return nil
		}
		extra[i] = p[0]
	}
	*sum = crc32.Update(*sum, crc32.IEEETable, extra)
	return extra
}

// text reads a zero-terminated Latin-1 string.
func (z *Reader) text(sum *uint32) string {
	if z.err != nil {
		return ""
	}
	var raw []byte
	for {
		p := z.bytes(1, "the rest of a header's text")
		if p == nil {
			return ""
		}
		raw = append(raw, p[0])
		if p[0] == 0 {
			break
		}
		if len(raw) > maxText {
			z.fail("found a header text beyond 64 KiB", ErrHeader)
			return ""
		}
	}
	*sum = crc32.Update(*sum, crc32.IEEETable, raw)
	text := make([]rune, len(raw)-1)
	for i := range text {
		text[i] = rune(raw[i])
	}
	return string(text)
}

// trailer checks a member's checksum and length and goes on to the next member.
func (z *Reader) trailer() {
	z.align()
	p := z.bytes(8, "a member's checksum and length")
	if p == nil {
		return
	}
	crc, size := binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:])
	if crc != z.crc || size != z.size {
		z.ip -= 8
		z.fail(fmt.Sprintf("found data with CRC-32 %08x and length %d, recorded are %08x and %d",
			z.crc, z.size, crc, size), ErrChecksum)
		return
	}
	if z.more(1); z.ip == z.end {
		z.err = z.readErr
		if !errors.Is(z.err, io.EOF) {
			z.err = nil
			z.cut("the end of the input")
		}
		return
	}
	z.member++
	var h Header
	z.header(&h)
}
