// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	_ "embed" // the built-in rules
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/layerscope/layerscope/trace"
)

// A Rule names the component of ops whose scope path has a part that matches.
type Rule struct {
	Pattern   string // lower case; * and ? as in path.Match
	Component string
	Outside   bool // names a part outside the layers instead of a component
}

// The components that methods know by name.
const (
	attention = "attention"
	norm      = "norm"
	previous  = "previous" // that of the op before it
	other     = "other"
)

//go:embed rules.txt
var rulesText string

var builtinRules = sync.OnceValue(func() []Rule {
	rules, err := ParseRules(rulesText)
	if err != nil {
		panic("analyze: rules.txt: " + err.Error())
	}
	return rules
})

// ParseRules reads a rules file: lines "component: pattern pattern …" under the
// headings [component] (the default) and [outside]; '#' begins a comment.
// Errors name the line.
func ParseRules(text string) ([]Rule, error) {
	var rules []Rule
	outside := false
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line == "[component]":
			outside = false
		case line == "[outside]":
			outside = true
		default:
			name, patterns, ok := strings.Cut(line, ":")
			if !ok || strings.TrimSpace(name) == "" {
				return nil, fmt.Errorf("line %d: found %q, wanted \"component: pattern …\" or a [heading]", i+1, line)
			}
			for _, p := range strings.Fields(strings.ToLower(patterns)) {
				if _, err := path.Match(p, ""); err != nil {
					return nil, fmt.Errorf("line %d: pattern %q: %w", i+1, p, err)
				}
				rules = append(rules, Rule{p, strings.TrimSpace(name), outside})
			}
		}
	}
	return rules, nil
}

// match returns the name that the rules give to a list of scope parts.
func (s *study) match(parts []string, outside bool) string {
	for _, p := range parts {
		p = strings.ToLower(p)
		for i := range s.rules {
			r := &s.rules[i]
			if r.Outside == outside && matches(r.Pattern, p) {
				return r.Component
			}
		}
	}
	return ""
}

// matches is path.Match without its special meaning of '/', and fast for
// patterns whose only stars are at the ends.
func matches(pattern, part string) bool {
	core := strings.Trim(pattern, "*")
	if !strings.ContainsAny(core, `*?[\`) {
		head, tail := strings.HasPrefix(pattern, "*"), strings.HasSuffix(pattern, "*")
		switch {
		case head && tail:
			return strings.Contains(part, core)
		case head:
			return strings.HasSuffix(part, core)
		case tail:
			return strings.HasPrefix(part, core)
		}
		return part == core
	}
	ok, err := path.Match(pattern, strings.ReplaceAll(part, "/", "|"))
	return err == nil && ok
}

// componentOf returns the component of an op: by rule on its scope inside the
// layer, else the first part of that scope.
func (s *study) componentOf(id trace.OpID) string {
	o := &s.ops[id]
	if o.component == "" {
		o.component = s.componentOfScope(&o.scope)
		if o.scope.raw == "" {
			o.component = categoryComponent(s.t.Ops[id].Category)
		}
	}
	return o.component
}

func (s *study) componentOfScope(sc *folded) string {
	if name, ok := s.named[sc.raw]; ok {
		return name
	}
	name := s.match(sc.parts[min(sc.inner, len(sc.parts)):], false)
	if name == "" {
		// The wrappers' own names may tell: jit(_jax_attn_func).
		name = s.match(wrapperNames(sc.raw), false)
	}
	if name == "" && len(sc.parts) > sc.inner {
		name = sc.parts[sc.inner]
	}
	if name == "" {
		name = other
	}
	s.named[sc.raw] = name
	return name
}

// wrapperNames returns f of each jit(f) in a scope path but the first, and the
// plain parts between them.
func wrapperNames(raw string) []string {
	parts := strings.Split(raw, "/")
	if len(parts) > 0 && strings.HasPrefix(parts[0], "jit(") {
		parts = parts[1:]
	}
	for i, p := range parts {
		if name, ok := strings.CutPrefix(p, "jit("); ok {
			parts[i] = strings.TrimSuffix(name, ")")
		}
	}
	return parts
}

// categoryComponent names the component of ops without a scope.
func categoryComponent(category string) string {
	switch {
	case asyncCategory(category):
		return "async"
	case slices.Contains([]string{"all-reduce", "all-gather", "all-to-all", "reduce-scatter", "collective-permute"}, category):
		return "collective"
	}
	return other
}
