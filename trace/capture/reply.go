// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of ProfileResponse and XSpace that are looked at.
const (
	replyToolData = 6
	replyEmpty    = 7
	replyXSpace   = 8

	spacePlanes    = 1
	spaceErrors    = 2
	spaceWarnings  = 3
	spaceHostnames = 4
)

// Bounds of what is kept of an XSpace's texts.
const (
	maxTexts = 16
	maxText  = 1 << 10
)

// A reply is what a ProfileResponse says, its XSpace apart.
type reply struct {
	empty    bool  // the server saw no events
	xspace   int64 // bytes of the XSpace; 0 = none
	toolData int
	space    space
}

// A space is what the outermost level of an XSpace says.
type space struct {
	planes           int
	hosts            []string
	errors, warnings []string
}

// readReply reads a ProfileResponse of size bytes and copies its XSpace to w as
// it comes, looking at the outermost level only. Memory doesn't depend on size.
func readReply(r io.Reader, size int64, w io.Writer) (reply, error) {
	f := &fields{r: bufio.NewReaderSize(r, 64<<10), left: size, what: "ProfileResponse"}
	var out reply
	for {
		num, kind, err := f.next()
		if err != nil || num == 0 {
			return out, err
		}
		switch {
		case num == replyEmpty && kind == protowire.VarintType:
			v, err := f.varint()
			if err != nil {
				return out, err
			}
			out.empty = v != 0
		case num == replyXSpace && kind == protowire.BytesType:
			n, err := f.length()
			if err != nil {
				return out, err
			}
			// Several pieces of one field are one message, end to end.
			if err := readSpace(io.TeeReader(io.LimitReader(f.r, n), w), n, &out.space); err != nil {
				return out, err
			}
			f.left -= n
			f.done += n
			out.xspace += n
		default:
			if num == replyToolData {
				out.toolData++
			}
			if err := f.skip(kind); err != nil {
				return out, err
			}
		}
	}
}

// readSpace reads the outermost level of an XSpace of size bytes, all of it.
func readSpace(r io.Reader, size int64, out *space) error {
	f := &fields{r: bufio.NewReaderSize(r, 64<<10), left: size, what: "XSpace"}
	for {
		num, kind, err := f.next()
		if err != nil || num == 0 {
			return err
		}
		var texts *[]string
		switch {
		case kind != protowire.BytesType:
		case num == spacePlanes:
			out.planes++
		case num == spaceErrors:
			texts = &out.errors
		case num == spaceWarnings:
			texts = &out.warnings
		case num == spaceHostnames:
			texts = &out.hosts
		}
		if texts == nil || len(*texts) >= maxTexts {
			if err := f.skip(kind); err != nil {
				return err
			}
			continue
		}
		text, err := f.text()
		if err != nil {
			return err
		}
		if !slices.Contains(*texts, text) {
			*texts = append(*texts, text)
		}
	}
}

// fields reads the fields of one protobuf message from a stream. Lengths are
// held against what the message has left.
type fields struct {
	r    *bufio.Reader
	left int64
	done int64
	what string
}

func (f *fields) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: offset %#x: %w", f.what, f.done, fmt.Errorf(format, args...))
}

// cut is the error of a stream that ends inside a message.
func (f *fields) cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return f.errorf("the stream ends %d bytes early: %w", f.left, io.ErrUnexpectedEOF)
	}
	return f.errorf("%w", err)
}

// ReadByte reads a byte of the message; varints are read through it.
func (f *fields) ReadByte() (byte, error) {
	if f.left == 0 {
		return 0, f.errorf("a varint runs past the message")
	}
	b, err := f.r.ReadByte()
	if err != nil {
		return 0, f.cut(err)
	}
	f.left--
	f.done++
	return b, nil
}

func (f *fields) varint() (uint64, error) { return binary.ReadUvarint(f) }

// next reads a tag; the number is 0 at the end of the message.
func (f *fields) next() (protowire.Number, protowire.Type, error) {
	if f.left == 0 {
		return 0, 0, nil
	}
	v, err := f.varint()
	if err != nil {
		return 0, 0, err
	}
	num, kind := protowire.DecodeTag(v)
	if num < 1 {
		return 0, 0, f.errorf("field number %d", v>>3)
	}
	return num, kind, nil
}

// length reads the length of a field, which can't be more than what is left.
func (f *fields) length() (int64, error) {
	v, err := f.varint()
	if err != nil {
		return 0, err
	}
	if v > uint64(f.left) {
		return 0, f.errorf("a field of %d bytes, %d are left", v, f.left)
	}
	return int64(v), nil
}

func (f *fields) drop(n int64) error {
	if n > f.left {
		return f.errorf("a field of %d bytes, %d are left", n, f.left)
	}
	m, err := io.CopyN(io.Discard, f.r, n)
	f.left -= m
	f.done += m
	if err != nil {
		return f.cut(err)
	}
	return nil
}

func (f *fields) skip(kind protowire.Type) error {
	switch kind {
	case protowire.VarintType:
		_, err := f.varint()
		return err
	case protowire.Fixed32Type:
		return f.drop(4)
	case protowire.Fixed64Type:
		return f.drop(8)
	case protowire.BytesType:
		n, err := f.length()
		if err != nil {
			return err
		}
		return f.drop(n)
	}
	return f.errorf("wire type %d", kind)
}

// text reads a text's first bytes and drops the rest.
func (f *fields) text() (string, error) {
	n, err := f.length()
	if err != nil {
		return "", err
	}
	keep := make([]byte, min(n, maxText))
	if _, err := io.ReadFull(f.r, keep); err != nil {
		return "", f.cut(err)
	}
	f.left -= int64(len(keep))
	f.done += int64(len(keep))
	return string(keep), f.drop(n - int64(len(keep)))
}
