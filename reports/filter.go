// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
)

// A Filter selects ops. The zero value selects all.
//
// The language is benchstat's: terms key:value joined by spaces (and), by OR,
// negated by "-", grouped by parentheses. A value is a glob over the whole text
// (* any run, ? one character), a quoted glob, a regular expression between
// slashes (found anywhere, RE2), or a group of those: layer:(layer_0 OR embed).
//
//	layer:layer_* category:/dot|conv/ -op:copy*
//
// Keys are layer, component, op, category, scope, program, source, device and
// bound. Ops without a layer match layer:unattributed.
type Filter struct {
	expr string
	root matcher
}

// String returns the expression as given.
func (f Filter) String() string { return f.expr }

func (f Filter) match(o *analyze.Op) bool { return f.root == nil || f.root(o) }

type matcher func(*analyze.Op) bool

const unattributed = "unattributed"

var filterKeys = map[string]func(*analyze.Op) string{
	"layer": func(o *analyze.Op) string {
		if o.Layer == "" {
			return unattributed
		}
		return o.Layer
	},
	"component": func(o *analyze.Op) string { return o.Component },
	"op":        func(o *analyze.Op) string { return o.Name },
	"category":  func(o *analyze.Op) string { return o.Category },
	"scope":     func(o *analyze.Op) string { return o.Scope },
	"program":   func(o *analyze.Op) string { return o.Program },
	"source":    func(o *analyze.Op) string { return o.Source },
	"device":    func(o *analyze.Op) string { return o.Device },
	"bound":     func(o *analyze.Op) string { return o.BoundBy },
}

// ParseFilter reads a filter expression. An error names the column (from 1)
// where it was found.
func ParseFilter(expr string) (Filter, error) {
	if strings.TrimSpace(expr) == "" {
		return Filter{}, nil
	}
	p := filterParser{in: expr}
	root, err := p.or()
	if err == nil && !p.end() {
		err = p.errorf("this closes nothing") // and() stops at ')' only
	}
	if err != nil {
		return Filter{}, err
	}
	return Filter{expr: expr, root: root}, nil
}

type filterParser struct {
	in    string
	pos   int
	depth int
}

func (p *filterParser) errorf(format string, args ...any) error {
	return fmt.Errorf("filter: column %d: %s", p.pos+1, fmt.Sprintf(format, args...))
}

// end skips spaces and reports whether nothing is left.
func (p *filterParser) end() bool {
	p.peek()
	return p.pos == len(p.in)
}

// peek skips spaces and returns the next byte, 0 at the end.
func (p *filterParser) peek() byte {
	for p.pos < len(p.in) && (p.in[p.pos] == ' ' || p.in[p.pos] == '\t') {
		p.pos++
	}
	if p.pos == len(p.in) {
		return 0
	}
	return p.in[p.pos]
}

// keyword takes the next word when it is w in capitals.
func (p *filterParser) keyword(w string) bool {
	p.peek()
	rest := p.in[p.pos:]
	if !strings.HasPrefix(rest, w) || len(rest) > len(w) && !strings.ContainsRune(" \t(", rune(rest[len(w)])) {
		return false
	}
	p.pos += len(w)
	return true
}

func (p *filterParser) or() (matcher, error) {
	left, err := p.and()
	for err == nil && p.keyword("OR") {
		var right matcher
		right, err = p.and()
		left = either(left, right)
	}
	return left, err
}

func (p *filterParser) and() (matcher, error) {
	left, err := p.term()
	for err == nil {
		if p.end() || p.peek() == ')' {
			break
		}
		mark := p.pos
		if p.keyword("OR") {
			p.pos = mark
			break
		}
		p.keyword("AND")
		var right matcher
		if right, err = p.term(); err == nil {
			left = both(left, right)
		}
	}
	return left, err
}

func (p *filterParser) term() (matcher, error) {
	if p.depth > 100 {
		return nil, p.errorf("nested too deeply")
	}
	p.depth++
	defer func() { p.depth-- }()
	switch p.peek() {
	case '-', '!':
		p.pos++
		m, err := p.term()
		return func(o *analyze.Op) bool { return !m(o) }, err
	case '(':
		p.pos++
		m, err := p.or()
		if err == nil && p.peek() != ')' {
			err = p.errorf("a parenthesis is open")
		}
		p.pos++
		return m, err
	}
	start := p.pos
	for p.pos < len(p.in) && isLetter(p.in[p.pos]) {
		p.pos++
	}
	key := p.in[start:p.pos]
	if p.pos == len(p.in) || p.in[p.pos] != ':' || key == "" {
		p.pos = start
		return nil, p.errorf("want key:value, with a key of %s", strings.Join(keyNames(), ", "))
	}
	text, ok := filterKeys[key]
	if !ok {
		p.pos = start
		return nil, p.errorf("unknown key %q, want one of %s", key, strings.Join(keyNames(), ", "))
	}
	p.pos++
	return p.value(text)
}

func (p *filterParser) value(text func(*analyze.Op) string) (matcher, error) {
	if p.pos == len(p.in) || p.in[p.pos] == ' ' {
		return nil, p.errorf("want a value")
	}
	if p.in[p.pos] != '(' {
		return p.pattern(text)
	}
	p.pos++
	var any matcher
	for {
		p.peek()
		m, err := p.pattern(text)
		if err != nil {
			return nil, err
		}
		if any = either(any, m); p.peek() == ')' {
			p.pos++
			return any, nil
		}
		if !p.keyword("OR") {
			return nil, p.errorf("want OR or a closing parenthesis")
		}
	}
}

func (p *filterParser) pattern(text func(*analyze.Op) string) (matcher, error) {
	start := p.pos
	if start == len(p.in) {
		return nil, p.errorf("want a value")
	}
	var source string
	switch c := p.in[start]; c {
	case '/', '"':
		s, err := p.delimited(c)
		if err != nil {
			return nil, err
		}
		if source = s; c == '"' {
			source = globSource(s)
		}
	default:
		for p.pos < len(p.in) && !strings.ContainsRune(" \t()", rune(p.in[p.pos])) {
			p.pos++
		}
		if p.pos == start {
			return nil, p.errorf("want a value")
		}
		source = globSource(p.in[start:p.pos])
	}
	re, err := regexp.Compile(source)
	if err != nil {
		p.pos = start
		return nil, p.errorf("%v", err)
	}
	return func(o *analyze.Op) bool { return re.MatchString(text(o)) }, nil
}

// delimited takes text between two quote bytes; a backslash before the quote
// makes it part of the text.
func (p *filterParser) delimited(quote byte) (string, error) {
	start := p.pos
	var b strings.Builder
	for p.pos++; p.pos < len(p.in); p.pos++ {
		switch c := p.in[p.pos]; {
		case c == quote:
			p.pos++
			return b.String(), nil
		case c == '\\' && p.pos+1 < len(p.in) && p.in[p.pos+1] == quote:
			p.pos++
			b.WriteByte(quote)
		default:
			b.WriteByte(c)
		}
	}
	p.pos = start
	return "", p.errorf("no closing %c", quote)
}

// globSource turns a glob into the source of an anchored regular expression.
func globSource(glob string) string {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for _, part := range strings.SplitAfter(glob, "") {
		switch part {
		case "*":
			b.WriteString(".*")
		case "?":
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(part))
		}
	}
	b.WriteString(`\z`)
	return b.String()
}

func both(a, b matcher) matcher {
	return func(o *analyze.Op) bool { return a(o) && b(o) }
}

func either(a, b matcher) matcher {
	if a == nil {
		return b
	}
	return func(o *analyze.Op) bool { return a(o) || b(o) }
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func keyNames() []string {
	names := make([]string, 0, len(filterKeys))
	for k := range filterKeys {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}
