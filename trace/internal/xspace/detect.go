// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"bytes"
	"unicode/utf8"
)

// LooksLikeXSpace reports whether a file that begins with head can be an XSpace:
// it starts with a plane whose own first field is one of XPlane's, or with an
// error, warning or host name. An HloProto, whose first field is a message that
// starts with a name, is told apart. A few bytes are enough, 64 are safe.
func LooksLikeXSpace(head []byte) bool {
	if len(head) < 2 || head[0]&7 != wireBytes || head[0]>>3 == 0 || head[0]>>3 > spaceHostnames {
		return false
	}
	n, p := uvarint(head, 1)
	if p < 0 || n > 1<<50 {
		return false
	}
	if head[0]>>3 != spacePlanes {
		return true
	}
	if n == 0 || p >= len(head) {
		return true
	}
	switch head[p] {
	case planeID<<3 | wireVarint, planeName<<3 | wireBytes, planeLines<<3 | wireBytes,
		planeEvents<<3 | wireBytes, planeStats<<3 | wireBytes, planeStat<<3 | wireBytes:
		return true
	}
	return false
}

// replacement is what text tools write for a byte that is not valid UTF-8.
var replacement = []byte("\xef\xbf\xbd")

// LooksMangled reports whether sample, a kilobyte or more of a file, is binary
// data that a text tool has rewritten: all of it is valid UTF-8, it holds control
// characters that text does not have, and at least one character in 64 is U+FFFD.
func LooksMangled(sample []byte) bool {
	n := bytes.Count(sample, replacement)
	if n < 4 || n*64 < len(sample) {
		return false
	}
	for i := 0; i < 3 && len(sample) > 0 && !utf8.RuneStart(sample[0]); i++ {
		sample = sample[1:]
	}
	for i := 0; i < 3 && len(sample) > 0 && !utf8.FullRune(sample[len(sample)-1:]); i++ {
		sample = sample[:len(sample)-1]
	}
	return bytes.ContainsAny(sample, "\x00\x01\x02\x03\x04\x05\x06\x08") && utf8.Valid(sample)
}

// mangled samples the file at both ends and in the middle.
func (ix *indexer) mangled() (bool, error) {
	const n = 16 << 10
	for _, off := range []int64{0, ix.sp.Size / 2, max(0, ix.sp.Size-n)} {
		b, err := ix.cu.bytes(off, n)
		if err != nil || !LooksMangled(b) {
			return false, err
		}
	}
	return true, nil
}

// LooksLikeRiegeli reports whether head begins a Riegeli records file, as the
// continuous profiler writes (*.xplane.riegeli). Its first block header is fixed.
func LooksLikeRiegeli(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\x83\xaf\x70\xd1\x0d\x88\x4a\x3f\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00"))
}

// LooksLikeLFSPointer reports whether head is a Git LFS pointer: the text that
// stands in a checkout instead of the file until "git lfs pull".
func LooksLikeLFSPointer(head []byte) bool {
	return bytes.HasPrefix(head, []byte("version https://git-lfs.github.com/spec/"))
}
