// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A secret is a value in a file that is no plain text: what kind of value, how
// many, and where the first is. The value itself is nowhere.
type secret struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
	// Offset of the first in the file, or in what it expands to.
	Offset int64 `json:"offset"`
}

// A probe finds values of one kind in bytes of any format: near one of its
// words, which are cheap to look for, its expression is tried. Values end before
// whatever ends a string in JSON, so that others of the same length may stand
// there, in protobuf too.
type probe struct {
	rule
	words         []string
	before, after int // bytes around a word that the expression may need
	// likely looks at the bytes behind a word and rules out most of them: the
	// expression alone did 2.5 MB/s on captures of language models, whose every other
	// name has a token in it. May be nil.
	likely func(behind []byte) bool
}

// Values in captures are longer than in text, and mix letters and digits: with
// all the names of ops and variables in them, less would find those.
var tokenProbes = sync.OnceValue(func() []probe {
	return []probe{
		{rule{"token", regexp.MustCompile(`\bhf_[A-Za-z0-9]{20,}`), nil}, []string{"hf_"}, 1, 80, nil},
		{rule{"token", regexp.MustCompile(`\bya29\.[A-Za-z0-9._-]{20,}`), nil}, []string{"ya29."}, 1, 2048, nil},
		{rule{"token", regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`), nil}, []string{"AKIA", "ASIA"}, 1, 32, nil},
		{rule{"token", regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,})`), notSecret}, []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"}, 1, 128, nil},
		{rule{"token", regexp.MustCompile(`\b(?:sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{30,}|xox[abprs]-[\w-]{10,}|GOCSPX-[\w-]{16,}|1//0[\w-]{20,})`), notSecret}, []string{"sk-", "AIza", "xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "GOCSPX-", "1//0"}, 1, 256, nil},
		{rule{"token", regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*`), nil}, []string{"eyJ"}, 1, 4096, nil},
		{rule{"token", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\\\s:,-]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`), nil}, []string{"PRIVATE KEY-----"}, 64, 8100, nil},
		{rule{"token", regexp.MustCompile(`(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{16,})`), notSecret}, []string{"earer ", "EARER "}, 8, 2048, nil},
		{rule{"token", regexp.MustCompile(`(?i)\b[a-z0-9_-]{0,64}(?:token|secret|password|passwd|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)(?:_[a-z0-9_]{1,32})?\\?["']?\s{0,4}[=:]\s{0,4}\\?["']?([A-Za-z0-9._~+/=-]{12,})`), notSecret},
			[]string{"oken", "OKEN", "ecret", "ECRET", "assw", "ASSW", "_key", "-key", "_KEY", "apikey", "apiKey", "APIKEY", "redential", "REDENTIAL"}, 80, 512, assigns},
		{rule{"token", regexp.MustCompile(`://([^/\s:@"'\\\x00-\x20]{1,64}:[^/\s@"'\\\x00-\x20]{4,128})@`), nil}, []string{"://"}, 0, 256, func(b []byte) bool { return bytes.IndexByte(b, '@') > 0 }},
	}
})

// nameProbes find who ran something where. They are tried only where captures
// are to be redacted: most of it is no secret.
var nameProbes = sync.OnceValue(func() []probe {
	return []probe{
		{rule{"account", regexp.MustCompile(`\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,64}(?:\.[A-Za-z0-9-]{1,64}){0,6}\.[A-Za-z]{2,24}\b`), nil}, []string{"@"}, 64, 512, nil},
		{rule{"project", regexp.MustCompile(`\bprojects/([A-Za-z0-9:._-]{4,64})`), nil}, []string{"projects/"}, 1, 128, nil},
		{rule{"project", regexp.MustCompile(`\b(?:[a-z.]{0,16}gcr\.io|[a-z0-9-]{1,32}-docker\.pkg\.dev)/([A-Za-z0-9._-]{4,64})`), nil}, []string{"gcr.io/", "-docker.pkg.dev/"}, 32, 128, nil},
		{rule{"home", regexp.MustCompile(`(?:/home/|/Users/)([A-Za-z0-9._-]{3,64})`), common}, []string{"/home/", "/Users/"}, 0, 128, nil},
		{rule{"host", regexp.MustCompile(`\b[A-Za-z0-9][A-Za-z0-9.-]{0,200}\.(?:internal|localdomain|corp|lan)\b`), nil}, []string{".internal", ".localdomain", ".corp", ".lan"}, 204, 16, nil},
		{rule{"host", regexp.MustCompile(`\bt1v-n-[0-9a-z]{4,}-w-[0-9]+\b`), nil}, []string{"t1v-n-"}, 1, 64, nil},
		{rule{"host", regexp.MustCompile(`(?i)\bhost_?name\\?["']?\s{0,4}[=:]\s{0,4}\\?["']?([A-Za-z0-9._-]{3,128})`), common}, []string{"hostname", "host_name", "HOSTNAME", "HOST_NAME"}, 1, 160, nil},
		{rule{"user", regexp.MustCompile(`(?i)\b(?:user_?name|user|logname)\\?["']?\s{0,4}[=:]\s{0,4}\\?["']([A-Za-z0-9._-]{3,64})`), common}, []string{`user"`, `user'`, `username`, "user_name", "USER", "LOGNAME"}, 1, 128, nil},
	}
})

// notSecret keeps words: a secret of that length has letters and digits, and no
// path.
func notSecret(v string) bool {
	digits := strings.IndexFunc(v, func(r rune) bool { return r >= '0' && r <= '9' })
	letters := strings.IndexFunc(v, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' })
	return len(v) < 12 || digits < 0 || letters < 0 || strings.Count(v, "/") > 2 || strings.HasPrefix(v, "/")
}

// assigns says whether the rest of a name, an = or : and a value of some length
// follow.
func assigns(b []byte) bool {
	skip := func(most int, ok func(c byte) bool) int {
		n := 0
		for n < len(b) && n < most && ok(b[n]) {
			n++
		}
		b = b[n:]
		return n
	}
	any := func(set string) func(byte) bool {
		return func(c byte) bool { return strings.IndexByte(set, c) >= 0 }
	}
	skip(40, func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	})
	skip(2, any(`\"'`))
	skip(4, any(" \t\r\n"))
	if skip(1, any("=:")) == 0 {
		return false
	}
	skip(4, any(" \t\r\n"))
	skip(2, any(`\"'`))
	return skip(12, func(c byte) bool { return c > ' ' && strings.IndexByte(`"',;&)}]`, c) < 0 }) == 12
}

// probesFor are those for tokens and, where names are wanted too, for these and
// the names that are known.
func probesFor(names bool, known map[string]string) []probe {
	out := slices.Clone(tokenProbes())
	if !names {
		return out
	}
	out = append(out, nameProbes()...)
	for name, kind := range known {
		if len(name) >= 4 && !common(name) {
			re := regexp.MustCompile(edge(name[0]) + regexp.QuoteMeta(name) + edge(name[len(name)-1]))
			out = append(out, probe{rule{kind, re, nil}, []string{name}, 1, len(name) + 1, nil})
		}
	}
	return out
}

// The sieve looks at sieveBlock bytes at a time; no probe needs more than
// sieveReach around a word.
const (
	sieveBlock = 1 << 20
	sieveReach = 16 << 10
)

// A sieve passes bytes on and finds values in them on the way. With mask it
// overwrites these by others of the same length.
type sieve struct {
	from   io.Reader
	probes []probe
	mask   *masks // nil = only look

	block []byte // what buf is a part of
	buf   []byte
	base  int64 // offset of buf[0]
	ready int   // bytes of buf that are looked at and not passed on
	done  int64 // offset up to which values were found, so that none counts twice
	err   error
	found []secret
}

func newSieve(from io.Reader, probes []probe, mask *masks) *sieve {
	return &sieve{from: from, probes: probes, mask: mask, block: make([]byte, sieveBlock+2*sieveReach)}
}

func (s *sieve) Read(p []byte) (int, error) {
	for s.ready == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.fill()
	}
	n := copy(p, s.buf[:s.ready])
	s.base += int64(n)
	s.ready -= n
	s.buf = s.buf[n:]
	return n, nil
}

// fill reads a block and looks at all of it but its end, which may need more.
func (s *sieve) fill() {
	rest := copy(s.block, s.buf)
	end, err := rest, error(nil)
	for end < min(rest+sieveBlock, len(s.block)) && err == nil { // not io.ReadFull: a cut file ends as a whole one there
		var n int
		n, err = s.from.Read(s.block[end:])
		end += n
	}
	s.buf, s.err = s.block[:end], err
	s.ready = len(s.buf)
	if err == nil {
		s.ready = max(0, len(s.buf)-sieveReach)
	}
	s.look()
}

// A hit is a value at an offset of the file.
type hit struct {
	from, to int64
	kind     string
}

// look finds the values that begin in what is ready. The first that begins wins
// over those within it.
func (s *sieve) look() {
	var hits []hit
	for i := range s.probes {
		p := &s.probes[i]
		for _, word := range p.words {
			hits = s.try(p, word, hits)
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if a.from != b.from {
			return int(a.from - b.from)
		}
		return int(b.to - a.to)
	})
	for _, h := range hits {
		if h.from < s.done {
			continue
		}
		s.done = h.to
		s.count(h)
		if s.mask != nil {
			s.mask.over(s.buf[h.from-s.base:h.to-s.base], h.kind)
		}
	}
}

func (s *sieve) try(p *probe, word string, hits []hit) []hit {
	end := min(len(s.buf), s.ready+p.before+len(word))
	for at := 0; at < end; {
		i := bytes.Index(s.buf[at:end], []byte(word))
		if i < 0 {
			return hits
		}
		i += at
		from, to := max(0, i-p.before), min(len(s.buf), i+p.after)
		at = i + len(word)
		if p.likely != nil && !p.likely(s.buf[at:to]) {
			continue
		}
		for _, m := range p.re.FindAllSubmatchIndex(s.buf[from:to], -1) {
			a, b := m[0], m[1]
			if len(m) > 2 && m[2] >= 0 {
				a, b = m[2], m[3]
			}
			v := s.buf[from+a : from+b]
			if from+a >= s.ready || bytes.HasPrefix(v, []byte("redacted")) || p.keep != nil && p.keep(string(v)) {
				continue
			}
			hits = append(hits, hit{s.base + int64(from+a), s.base + int64(from+b), p.kind})
			at = max(at, from+b)
		}
	}
	return hits
}

func (s *sieve) count(h hit) {
	i := slices.IndexFunc(s.found, func(o secret) bool { return o.Kind == h.kind })
	if i < 0 {
		s.found = append(s.found, secret{Kind: h.kind, Count: 1, Offset: h.from})
		return
	}
	s.found[i].Count++
}

// masks are what stands for values: different ones for different values, and the
// same for the same, so that two hosts stay two.
type masks struct{ number map[string]int }

func (m *masks) over(v []byte, kind string) {
	key := kind + " " + string(v)
	n, ok := m.number[key]
	if !ok {
		n = len(m.number) + 1
		m.number[key] = n
	}
	word, end := "redacted-"+kind, fmt.Sprintf("-%d", n)
	for i := range v {
		v[i] = '-'
	}
	copy(v, word)
	if len(end) <= len(v) {
		copy(v[len(v)-len(end):], end)
	}
}
