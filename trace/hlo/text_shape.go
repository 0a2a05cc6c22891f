// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"fmt"
	"strconv"
	"strings"
)

// shape parses a shape; equal texts give the same Shape.
func (p *textParser) shape(s string) (*Shape, error) {
	if sh, ok := p.shapes[s]; ok {
		return sh, nil
	}
	sh := &Shape{}
	rest, err := parseShape(s, sh, 0)
	if err != nil {
		return noShape, err
	}
	if strings.TrimSpace(rest) != "" {
		return noShape, fmt.Errorf("shape %q: text after its end", cut(s))
	}
	p.shapes[s] = sh
	return sh, nil
}

// ParseShape reads a shape in HLO text, "bf16[8,128]{1,0:T(8,128)}" or a tuple
// of them. Layout parts that Layout has no field for are skipped.
func ParseShape(s string) (*Shape, error) {
	sh := &Shape{}
	rest, err := parseShape(strings.TrimSpace(s), sh, 0)
	if err == nil && strings.TrimSpace(rest) != "" {
		err = fmt.Errorf("shape %q: text after its end", cut(s))
	}
	if err != nil {
		return nil, fmt.Errorf("hlo: %w", err)
	}
	return sh, nil
}

// shapeLength returns how many bytes of s are the shape it starts with.
func shapeLength(s string) (int, error) {
	if strings.HasPrefix(s, "(") {
		inside, ok := bracketed(s)
		if !ok {
			return 0, fmt.Errorf("shape %q is cut", cut(s))
		}
		return len(inside) + 2, nil
	}
	n := strings.IndexByte(s, '[')
	if strings.HasPrefix(s, "b(") {
		n = 1
	}
	if n < 0 {
		return 0, fmt.Errorf("%q is no shape", cut(s))
	}
	inside, ok := bracketed(s[n:])
	if !ok {
		return 0, fmt.Errorf("shape %q is cut", cut(s))
	}
	n += len(inside) + 2
	if strings.HasPrefix(s[n:], "{") {
		if inside, ok = bracketed(s[n:]); !ok {
			return 0, fmt.Errorf("layout %q is cut", cut(s[n:]))
		}
		n += len(inside) + 2
	}
	return n, nil
}

// parseShape fills sh and returns the text behind the shape.
func parseShape(s string, sh *Shape, depth int) (string, error) {
	if depth > maxShapeDepth {
		return s, errShapeDepth
	}
	if strings.HasPrefix(s, "b(") {
		sh.Type = Buffer
		return parseParts(s[1:], sh, depth)
	}
	if strings.HasPrefix(s, "(") {
		sh.Type = Tuple
		return parseParts(s, sh, depth)
	}
	open := strings.IndexByte(s, '[')
	if open < 0 {
		return s, fmt.Errorf("%q is no shape", cut(s))
	}
	t, ok := elementType(s[:open])
	if !ok {
		return s, fmt.Errorf("unknown element type %q", cut(s[:open]))
	}
	sh.Type = t
	dims, ok := bracketed(s[open:])
	if !ok {
		return s, fmt.Errorf("shape %q is cut", cut(s))
	}
	s = s[open+len(dims)+2:]
	for dims != "" {
		var d string
		d, dims, _ = strings.Cut(dims, ",")
		d = strings.TrimPrefix(strings.TrimSpace(d), "<=")
		if d == "" || d == "?" {
			sh.Dims = append(sh.Dims, 0)
			continue
		}
		n, err := strconv.ParseInt(d, 10, 64)
		if err != nil || n < 0 || len(sh.Dims) >= maxRank {
			return s, fmt.Errorf("dimension %q", cut(d))
		}
		sh.Dims = append(sh.Dims, n)
	}
	if !strings.HasPrefix(s, "{") {
		return s, nil
	}
	inside, ok := bracketed(s)
	if !ok {
		return s, fmt.Errorf("layout %q is cut", cut(s))
	}
	sh.Layout = parseLayout(inside)
	return s[len(inside)+2:], nil
}

// parseParts reads "(shape, shape, …)".
func parseParts(s string, sh *Shape, depth int) (string, error) {
	inside, ok := bracketed(s)
	if !ok {
		return s, fmt.Errorf("tuple %q is cut", cut(s))
	}
	rest := s[len(inside)+2:]
	for inside = stripComments(inside); strings.TrimSpace(inside) != ""; {
		var part string
		part, inside = topLevel(inside)
		var e Shape
		tail, err := parseShape(strings.TrimSpace(part), &e, depth+1)
		if err != nil {
			return s, err
		}
		if strings.TrimSpace(tail) != "" {
			return s, fmt.Errorf("shape %q: text after its end", cut(part))
		}
		sh.Parts = append(sh.Parts, e)
	}
	return rest, nil
}

// parseLayout reads "1,0:T(8,128)(2,1)S(1)".
func parseLayout(s string) *Layout {
	l := &Layout{}
	order, rest, _ := strings.Cut(s, ":")
	l.MinorToMajor = parseInts(order)
	letter := ""
	for rest != "" {
		open := strings.IndexByte(rest, '(')
		if open < 0 {
			break
		}
		if open > 0 {
			letter = rest[:open]
		}
		inside, ok := bracketed(rest[open:])
		if !ok {
			break
		}
		rest = rest[open+len(inside)+2:]
		v, _ := strconv.ParseInt(inside, 10, 64)
		switch letter {
		case "T":
			if len(l.Tiles) < 64 {
				l.Tiles = append(l.Tiles, parseInts(inside))
			}
		case "S":
			l.MemorySpace = v
		case "E":
			l.ElementBits = v
		case "L":
			l.TailAlign = v
		}
	}
	return l
}

// parseInts reads "1,0"; "*" is -1, anything else that is no number is left out.
func parseInts(s string) []int64 {
	var v []int64
	for s != "" && len(v) < maxRank {
		var d string
		d, s, _ = strings.Cut(s, ",")
		d = strings.TrimSpace(d)
		if d == "*" {
			v = append(v, -1)
		} else if n, err := strconv.ParseInt(d, 10, 64); err == nil {
			v = append(v, n)
		}
	}
	return v
}
