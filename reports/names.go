// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term/termtext"
	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// duration writes a single duration with its unit.
func duration(d analyze.Duration) string {
	return quantity.Format(quantity.Time, quantity.Int(int64(d)))
}

// percent writes a fraction: "55.1 %", and never 100 % of what isn't whole.
func percent(f float64) string {
	switch {
	case f >= 0.99995 && f < 1:
		return ">99.99 %"
	case f >= 0.999 && f < 1:
		return fmt.Sprintf("%.2f %%", 100*f)
	}
	return quantity.Format(quantity.Share, quantity.Real(f))
}

// times writes a ratio: "2.09×".
func times(f float64) string { return quantity.Format(quantity.Ratio, quantity.Real(f)) }

// number writes a count with separators.
func number[N ~int | ~int64](n N) string { return quantity.Thousands(int64(n)) }

// plural writes "1 step", "2 steps".
func plural[N ~int | ~int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// elide cuts a name in its middle. The full one is in CSV and JSON.
func elide(s string, width int) string {
	return termtext.Elide(termtext.Safe(s), width, "…")
}

// or returns s, or stand for an empty one.
func or(s, stand string) string {
	if s == "" {
		return stand
	}
	return s
}

// homePath matches a path into somebody's home: reports are kept and passed on,
// and account names are nobody's business there.
var homePath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:/home|/Users|[A-Za-z]:\\Users)[/\\][^/\\ :]+`)
})

// homeless replaces the home directory in a path or text by "~".
func homeless(s string) string {
	if !strings.Contains(s, "home") && !strings.Contains(s, "Users") {
		return s
	}
	return homePath().ReplaceAllLiteralString(s, "~")
}

// span names the rows of a fold: "layer_0 … layer_27 (28)". When rows between
// the first and the last aren't part of it, it says so.
func span(first, last string, n int, missing []string) string {
	switch {
	case n == 2:
		return first + ", " + last
	case len(missing) == 0:
		return fmt.Sprintf("%s … %s (%d)", first, last, n)
	case len(missing) <= 2:
		return fmt.Sprintf("%s … %s without %s (%d)", first, last, strings.Join(missing, ", "), n)
	}
	return fmt.Sprintf("%s … %s without %d of them (%d)", first, last, len(missing), n)
}

// layerIndex matches an explicit layer index in a scope path, stemTail what
// compilers append to an op's name to make it unique.
var (
	layerIndex = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)((?:^|[^a-z])(?:[a-z]+_)?(?:layers?|blocks?|h)[/._\[\]'"]*)[0-9]+`)
	})
	stemTail = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?:[._-](?:[0-9]+|clone|remat[0-9]*))+$`)
	})
)

// withoutLayer writes the layer index in a scope path as "*".
func withoutLayer(scope string) string {
	return layerIndex().ReplaceAllString(scope, "${1}*")
}

// stem returns an op's name without its number.
func stem(name string) string { return stemTail().ReplaceAllString(name, "") }

// programScope matches the wrappers of the whole program in front of a scope.
var programScope = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:p?jit\([^()/]*\)/)(?:jit\(main\)/)?`)
})

// shownScope is a scope without what all scopes of its program begin with.
func shownScope(scope string) string {
	return strings.TrimSuffix(programScope().ReplaceAllString(scope, ""), ":")
}
