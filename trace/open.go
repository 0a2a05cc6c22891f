// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/layerscope/layerscope/trace/internal/inflate"
	"github.com/layerscope/layerscope/trace/internal/perfetto"
	"github.com/layerscope/layerscope/trace/internal/ranged"
	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// Open reads the capture at path: a file in any known format, compressed or
// not, or a profile directory, whose newest session is read with all its hosts.
// The content decides on the format; the name is believed last.
//
// Events of uncompressed XSpace files are read when tracks are iterated: the
// trace must be closed, and the file must not change until then.
func Open(path string, opts Options) (*Trace, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &InputError{Path: path, Msg: reason(err), err: err}
	}
	t := newTrace()
	if info.IsDir() {
		err = t.openDir(path, opts)
	} else {
		err = t.openFile(path, opts)
	}
	if err == nil {
		err = t.addHLO(opts.HLO, opts.MaxDecompressed)
	}
	if err != nil {
		return nil, closeAfter(t, err)
	}
	t.finish()
	return t, nil
}

// Read reads a capture from r, wholly, before it returns. The name serves
// messages only.
func Read(r io.Reader, name string, opts Options) (*Trace, error) {
	t := newTrace()
	in := &input{name: name, r: r}
	if err := t.read(in, opts); err != nil {
		return nil, at(name, err)
	}
	if err := t.addHLO(opts.HLO, opts.MaxDecompressed); err != nil {
		return nil, err
	}
	t.finish()
	return t, nil
}

func closeAfter(t *Trace, err error) error {
	_ = t.Close() // the error that matters came first
	return err
}

func newTrace() *Trace {
	return &Trace{Metadata: map[string]string{}}
}

// finish orders what readers added, file by file.
func (t *Trace) finish() {
	t.joinInstructions()
	t.chargeKernels()
	t.sortMarks()
}

// Close releases the files that tracks are read from.
func (t *Trace) Close() error {
	var first error
	for _, c := range t.closers {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	t.closers = nil
	return first
}

// An input is one file or stream on its way to a reader.
type input struct {
	name string
	file *os.File // nil for a stream
	size int64
	far  *ranged.File // instead of file; nil for others
	r    io.Reader
	host string

	version, crc32c string            // of a remote file
	whole           func(what string) // told when a remote file is read whole; may be nil

	head []byte          // the first bytes, decompressed
	gzip *inflate.Reader // what follows them, if it is a gzip stream
}

func (t *Trace) openFile(path string, opts Options) error {
	f, err := os.Open(path)
	if err != nil {
		return &InputError{Path: path, Msg: reason(err), err: err}
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return at(path, err)
	}
	t.closers = append(t.closers, f)
	in := &input{name: path, file: f, size: info.Size(), r: f, host: hostOf(path)}
	if !info.Mode().IsRegular() {
		in.file = nil
	}
	if opts.Hash && in.file != nil {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, in.size)); err != nil {
			return at(path, err)
		}
		opts.sum = hex.EncodeToString(h.Sum(nil))
	}
	return at(path, t.read(in, opts))
}

// tell says what makes a remote file be read whole.
func (in *input) tell(what string) {
	if in.whole != nil {
		in.whole(what)
	}
}

// hostOf returns the host that a capture's file name states.
func hostOf(path string) string {
	name := filepath.Base(path)
	for _, ext := range []string{".gz", ".zst", ".xz", ".xplane.pb", ".trace.json", ".json", ".pb", ".pftrace", ".perfetto-trace", ".folded", ".collapsed"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

// sniffLen is how much of a file is looked at to tell its format.
const sniffLen = 4096

// read tells the format of an input and has it read.
func (t *Trace) read(in *input, opts Options) error {
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(in.r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	in.r = io.MultiReader(bytes.NewReader(head), in.r)
	packed := compression(head)
	if packed != "" {
		in.tell(packed[1:])
		src, err := expand(packed, in.r, opts.MaxDecompressed)
		if err != nil {
			return err
		}
		plain := make([]byte, sniffLen)
		n, err := io.ReadFull(src, plain)
		if n == 0 && err != nil && err != io.EOF {
			return err
		}
		head = plain[:n]
		in.gzip, _ = src.(*inflate.Reader)
		in.r = io.MultiReader(bytes.NewReader(head), src)
	}
	in.head = head
	format, err := sniff(head, in.name)
	if err != nil {
		return err
	}
	if t.Format == "" {
		t.Format = format
	}
	if packed == "" && format != formatXSpace {
		in.tell(format)
	}
	t.Inputs = append(t.Inputs, Input{Path: in.name, SHA256: opts.sum, Bytes: in.size, Format: format + packed, Version: in.version, CRC32C: in.crc32c})
	if err = t.readAs(format, in, packed != "", opts); errors.Is(err, inflate.ErrLimit) {
		return tooLarge(opts.MaxDecompressed)
	}
	return err
}

func (t *Trace) readAs(format string, in *input, packed bool, opts Options) error {
	switch format {
	case formatXSpace:
		return t.readXSpace(in, packed, opts)
	case formatChrome:
		return fromChrome(t, in, opts)
	case formatFolded:
		return fromFolded(t, in)
	case formatText:
		return fromText(t, in.r, opts.MaxDecompressed)
	case formatPerfetto:
		return fromPerfetto(t, in, opts)
	case formatTables:
		b, err := io.ReadAll(io.LimitReader(in.r, maxDocument))
		if err != nil {
			return err
		}
		return fromXProf(t, b, in.host)
	case formatSpeedscope:
		return fromSpeedscope(t, in)
	}
	return fmt.Errorf("no reader for format %s", format)
}

// readXSpace hands an XSpace to its reader: the file itself, or a copy of what
// was decompressed.
func (t *Trace) readXSpace(in *input, packed bool, opts Options) error {
	if in.far != nil && !packed {
		return fromXSpace(t, in.far, in.size, in.host, opts)
	}
	if in.file != nil && !packed {
		return fromXSpace(t, in.file, in.size, in.host, opts)
	}
	data, size, err := t.slurp(in.r)
	if errors.Is(err, inflate.ErrLimit) || isInputError(err) {
		return tooLarge(opts.MaxDecompressed)
	}
	if err != nil && size == 0 {
		return err
	}
	if err != nil {
		t.find(Finding{Code: "truncated", Severity: Error, Message: "the compressed stream ends early: " + err.Error(),
			Hint: "all whole events were kept; copy the file again"})
	}
	return fromXSpace(t, data, size, in.host, opts)
}

func isInputError(err error) bool {
	var bad *InputError
	return errors.As(err, &bad)
}

// The formats by the names users see.
const (
	formatXSpace = "xspace"
	formatChrome = "chrome-json"
)

// sniff tells a format by the first bytes, or explains what the file is instead.
func sniff(head []byte, name string) (string, error) {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(head) == 0 && name == "-":
		return "", &InputError{Msg: "0 bytes, wanted a capture", Hint: "nothing came on standard input"}
	case len(head) == 0:
		return "", &InputError{Msg: "0 bytes, wanted a capture", Hint: "a capture beyond 2 GB leaves an empty file: capture a shorter window or fewer events"}
	case xspace.LooksLikeLFSPointer(head):
		return "", &InputError{Msg: "a Git LFS pointer, not the file it stands for", Hint: "git lfs pull"}
	case xspace.LooksLikeRiegeli(head):
		return "", &InputError{Msg: "Riegeli records, wanted an XSpace", Hint: "stop the continuous profiler with a snapshot to get an .xplane.pb"}
	case isCache(name):
		return "", &InputError{Msg: "a cache that XProf wrote beside a capture, not a capture", Hint: "open the .xplane.pb in the same directory"}
	case bytes.HasPrefix(text, []byte("layerscope-trace ")):
		return formatText, nil
	case looksLikeTable(text), looksLikeXProfPage(text):
		return formatTables, nil
	case looksLikeSpeedscope(text):
		return formatSpeedscope, nil
	case looksLikeFolded(text, name):
		return formatFolded, nil
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")):
		return formatChrome, nil
	case perfetto.LooksLikeTrace(head):
		return formatPerfetto, nil
	case xspace.LooksLikeXSpace(head):
		return formatXSpace, nil
	case xspace.LooksMangled(head):
		return "", &InputError{Msg: "bytes replaced by EF BF BD: the file was written as text, wanted a binary XSpace", Hint: "copy the original again in binary mode; the lost bytes cannot be restored"}
	}
	found, hint := fmt.Sprintf("binary data beginning % x", head[:min(16, len(head))]), "all of them may be plain or .gz, .zst or .xz, or lie in a profile directory"
	if s := text[:min(len(text), 64)]; utf8.Valid(trimRune(s)) && !bytes.ContainsAny(s, "\x00\x01\x02") {
		found = fmt.Sprintf("text beginning %q", trimRune(text[:min(len(text), 32)]))
		if low := bytes.ToLower(s); bytes.HasPrefix(low, []byte("<!doctype html")) || bytes.HasPrefix(low, []byte("<html")) {
			hint = "a web page, such as one that reports an error or wants a login, was saved instead of the capture"
		}
	}
	return "", &InputError{Msg: "offset 0x0: " + found + ", wanted XSpace (*.xplane.pb), Trace Event JSON, Perfetto, speedscope, folded stacks, XProf tables or layerscope text", Hint: hint}
}

// trimRune takes away a rune at the end that was cut.
func trimRune(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// looksLikeTable tells XProf's tables, which begin with their columns.
func looksLikeTable(text []byte) bool {
	text = bytes.TrimLeft(text, "[{ \t\r\n")
	return bytes.HasPrefix(text, []byte(`"cols"`)) || bytes.HasPrefix(text, []byte(`"columns"`))
}

// isCache knows the files that XProf writes beside captures.
func isCache(name string) bool {
	for _, s := range []string{".op_stats.pb", ".op_stats_v2.pb", ".dcn_collective_stats.pb", ".smart_suggestion.pb", ".SSTABLE", ".cached_tools.json"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// reason strips "open PATH:" from an error of the os package.
func reason(err error) string {
	if e, ok := err.(*os.PathError); ok {
		return e.Err.Error()
	}
	return err.Error()
}
