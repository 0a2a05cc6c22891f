// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// copyFile takes a file byte for byte, or with what must not be seen overwritten.
// A file that an earlier attempt took whole is only hashed.
func (b *builder) copyFile(source, name, role string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	abs, err := filepath.Abs(source)
	if err != nil {
		return err
	}
	want := &copied{Name: b.free(name), Source: abs, Bytes: info.Size(), Mod: info.ModTime().UnixNano(), How: b.how()}
	c, ok := b.stage.reuse(want)
	if !ok {
		if c, err = b.copyAnew(f, want); err == nil {
			err = b.stage.journal.add(c)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
	}
	if err := b.judge(c); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	b.list(c.Name, c.Written, c.SHA256, role, nil)
	b.manifest.Files[len(b.manifest.Files)-1].Original = c.Original
	if role == "capture" || role == "memory" {
		b.captures = append(b.captures, c.SHA256)
	}
	return nil
}

// how tells copies apart that would differ.
func (b *builder) how() string {
	if b.opts.Secrets != RedactCaptures {
		return "verbatim"
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(b.opts.Names)) {
		fmt.Fprintf(h, "%q %q\n", name, b.opts.Names[name])
	}
	return "redacted " + hex.EncodeToString(h.Sum(nil))
}

// copyAnew looks through a file first: one that is refused is not copied.
func (b *builder) copyAnew(f *os.File, c *copied) (*copied, error) {
	mask := b.opts.Secrets == RedactCaptures
	probes := probesFor(mask, b.opts.Names)
	var err error
	if c.Found, c.Partly, err = look(f, probes); err != nil {
		return nil, err
	}
	if err := b.refuses(c); err != nil {
		return nil, err
	}
	var from io.Reader = f
	if mask && len(c.Found) > 0 && !c.Partly {
		if c.Original, err = hashOf(f); err != nil {
			return nil, err
		}
		r, err := masked(f, probes, &b.masks)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		from = r
	}
	c.Written, c.SHA256, err = b.stage.write(c.Name, from)
	b.copies++
	return c, err
}

func hashOf(f *os.File) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, rewind(f))
}

// refuses is the error about a file with tokens that nobody allowed, or that
// can't be redacted as it was asked.
func (b *builder) refuses(c *copied) error {
	i := slices.IndexFunc(c.Found, func(s secret) bool { return s.Kind == "token" })
	if i < 0 || b.opts.Plain || b.opts.Secrets == AllowSecrets || b.opts.Secrets == RedactCaptures && !c.Partly {
		return nil
	}
	s := c.Found[i]
	where := "of what it expands to"
	if c.Partly {
		where = "and it can't be expanded whole"
	}
	return fmt.Errorf("%w: %d, the first at offset %d %s", ErrSecrets, s.Count, s.Offset, where)
}

// judge enters into the manifest what was found in a file.
func (b *builder) judge(c *copied) error {
	m := &b.manifest
	if c.Original == "" {
		m.Verbatim = append(m.Verbatim, c.Name)
	}
	if c.Partly {
		m.Unscanned = append(m.Unscanned, c.Name)
	}
	for _, s := range c.Found {
		s.Path = c.Name
		switch {
		case c.Original != "":
			m.Redacted = append(m.Redacted, redacted{c.Name, s.Kind, s.Count})
		case s.Kind == "token":
			m.Secrets = append(m.Secrets, s)
		}
	}
	return b.refuses(c)
}
