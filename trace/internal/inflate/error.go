// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"errors"
	"fmt"
	"io"
)

// ErrLimit is wrapped by the error of an input that inflates beyond
// [Options.MaxBytes].
var ErrLimit = errors.New("size limit reached")

// ErrHeader is wrapped by the error of an input, or of bytes behind a member,
// that do not start like gzip.
var ErrHeader = errors.New("not a gzip header")

// ErrChecksum is wrapped by the error of a member whose CRC-32 or length is not
// the recorded one: its data was decoded, and is wrong.
var ErrChecksum = errors.New("checksum mismatch")

// Error says where and why decompression stopped. A truncated input wraps
// [io.ErrUnexpectedEOF]; Err is nil for corrupt data.
type Error struct {
	Offset int64 // bytes into the compressed input
	Out    int64 // bytes decompressed before
	Member int   // gzip member, from 1
	Msg    string
	Err    error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("gzip offset %d, after %d bytes of output", e.Offset, e.Out)
	if e.Member > 1 {
		s += fmt.Sprintf(", member %d", e.Member)
	}
	return s + ": " + e.Msg
}

func (e *Error) Unwrap() error { return e.Err }

// fail records the error that ends decompression.
func (z *Reader) fail(msg string, cause error) {
	if z.err == nil {
		z.err = &Error{z.offset(), z.total + int64(z.op-z.start), z.member, msg, cause}
	}
}

// cut records that the input ended: where says inside what.
func (z *Reader) cut(where string) {
	z.align()
	z.ip = z.end // the place of the loss is the input's end
	if z.readErr != nil && z.readErr != io.EOF {
		z.fail("found "+z.readErr.Error()+", wanted "+where, z.readErr)
		return
	}
	z.fail("found the end of the input, wanted "+where, io.ErrUnexpectedEOF)
}
