// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

func TestLooksLikeXSpace(t *testing.T) {
	hlo := by(1, st(1, "jit_f"), vi(2, 7)) // HloProto: its module begins with a name
	for _, c := range []struct {
		name string
		head []byte
		want bool
	}{
		{"plane with an id", by(1, vi(1, 2), st(2, "p")), true},
		{"plane with a name", plane("p"), true},
		{"plane that begins with a line", by(1, line(ev(1, 1, 1))), true},
		{"plane cut behind its length", []byte{0x0a, 0x85, 0x01}, true},
		{"empty plane", []byte{0x0a, 0x00}, true},
		{"host name", st(4, "host-0"), true},
		{"error", st(2, "dropped events"), true},
		{"HloProto", hlo, false},
		{"JSON", []byte(`{"traceEvents":[`), false},
		{"gzip", []byte{0x1f, 0x8b, 8, 0}, false},
		{"text that begins with a newline", []byte("\nhello world, this is text"), false},
		{"one byte", []byte{0x0a}, false},
		{"length of 11 bytes", append([]byte{0x0a}, bytes.Repeat([]byte{0xff}, 11)...), false},
		{"generated capture", generated(t, 1<<16)[:64], true},
	} {
		if got := xspace.LooksLikeXSpace(c.head); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestLooksMangled(t *testing.T) {
	b := generated(t, 1<<16)
	if xspace.LooksMangled(b) {
		t.Error("a sound file looks mangled")
	}
	mangled := bytes.ToValidUTF8(b, []byte("\uFFFD"))
	for _, part := range [][]byte{mangled, mangled[1:2000], mangled[777:5001]} {
		if !xspace.LooksMangled(part) {
			t.Errorf("%d bytes of a mangled file do not look so", len(part))
		}
	}
	if _, err := xspace.Index(bytes.NewReader(mangled), int64(len(mangled))); !errors.Is(err, xspace.ErrMangled) {
		t.Errorf("index of a mangled file: error %v, want ErrMangled", err)
	}
	if text := bytes.Repeat([]byte("caf\uFFFD and other words\n"), 100); xspace.LooksMangled(text) {
		t.Error("text with replacement characters looks like a mangled binary")
	}
}

func TestLooksLikeOthers(t *testing.T) {
	riegeli, err := hex.DecodeString("83af70d10d884a3f0000000000000000400000000000000091bac23c9287e1a9")
	if err != nil {
		t.Fatal(err)
	}
	lfs := []byte("version https://git-lfs.github.com/spec/v1\noid sha256:e312\nsize 862707\n")
	b := generated(t, 1<<16)
	if !xspace.LooksLikeRiegeli(riegeli) || xspace.LooksLikeRiegeli(b) || xspace.LooksLikeRiegeli(nil) {
		t.Error("Riegeli: wanted true, false, false")
	}
	if !xspace.LooksLikeLFSPointer(lfs) || xspace.LooksLikeLFSPointer(b) || xspace.LooksLikeLFSPointer(lfs[:8]) {
		t.Error("Git LFS pointer: wanted true, false, false")
	}
}
