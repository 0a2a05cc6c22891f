// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"context"
	"io"
	"path"

	"github.com/layerscope/layerscope/trace/internal/ranged"
)

// A Remote is a capture file that is read over a network, in ranges of bytes of
// one version of it.
type Remote struct {
	Name            string // for messages
	Size            int64
	Version, CRC32C string // as in [Input]; may be empty
	// Range opens n bytes from off. It is called from several goroutines, does its
	// own retries, and its error says what the file is and where. Never nil.
	Range func(ctx context.Context, off, n int64) (io.ReadCloser, error)
	// Whole, if not nil, is called before a file is read whole and in one pass,
	// because what it is, such as "gzip", cannot be read in parts.
	Whole func(what string)
}

// Captures returns those of the files in a directory tree that [Open] reads when
// it is given the directory: a file a host of the newest session. Names have
// slashes.
func Captures(names []string) (files []string, found []Finding) {
	sessions := make(map[string][]string)
	for _, name := range names {
		if isCapture(path.Base(name)) {
			sessions[path.Dir(name)] = append(sessions[path.Dir(name)], name)
		}
	}
	if len(sessions) == 0 {
		return nil, nil
	}
	files, others := newestSession(sessions)
	if others > 0 {
		found = append(found, severalSessions(path.Base(path.Dir(files[0])), others))
	}
	return files, found
}

// OpenRemote reads the captures of one session, a file a host, as [Open] reads a
// directory. Of an uncompressed XSpace only the planes that are needed are
// fetched, in few large requests, and kept in a temporary file until the trace is
// closed; what is compressed or not an XSpace is read in one pass.
func OpenRemote(opts Options, files ...Remote) (*Trace, error) {
	t := newTrace()
	byName := make(map[string]Remote, len(files))
	names := make([]string, len(files))
	for i, f := range files {
		names[i], byName[f.Name] = f.Name, f
	}
	if err := t.openSession(names, func(name string) error { return t.openRemote(byName[name], opts) }); err != nil {
		return nil, closeAfter(t, err)
	}
	if err := t.addHLO(opts.HLO, opts.MaxDecompressed); err != nil {
		return nil, closeAfter(t, err)
	}
	t.finish()
	return t, nil
}

func (t *Trace) openRemote(f Remote, opts Options) error {
	far, err := ranged.New(f.Range, f.Size)
	if err != nil {
		return at(f.Name, err)
	}
	t.closers = append(t.closers, far)
	once := &onePass{f: f, far: far}
	defer once.close()
	in := &input{name: f.Name, far: far, size: f.Size, r: once, host: hostOf(path.Base(f.Name)), version: f.Version, crc32c: f.CRC32C, whole: f.Whole}
	return at(f.Name, t.read(in, opts))
}

// A onePass reads a remote file from the start to the end: what is looked at to
// tell its format as ranges, and the rest, if it is asked for, at once.
type onePass struct {
	f    Remote
	far  *ranged.File
	at   int64
	rest io.ReadCloser
}

func (p *onePass) Read(b []byte) (int, error) {
	if p.at >= p.f.Size {
		return 0, io.EOF
	}
	if p.at < sniffLen {
		n, err := p.far.ReadAt(b[:min(int64(len(b)), sniffLen-p.at)], p.at)
		p.at += int64(n)
		return n, err
	}
	if p.rest == nil {
		var err error
		if p.rest, err = p.f.Range(context.Background(), p.at, p.f.Size-p.at); err != nil {
			return 0, err
		}
	}
	n, err := p.rest.Read(b)
	p.at += int64(n)
	if err == io.EOF && p.at < p.f.Size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (p *onePass) close() {
	if p.rest != nil {
		_ = p.rest.Close() // it was only read
	}
}
