// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// A rule finds values of one kind: its first group, or else the whole match.
type rule struct {
	kind string
	re   *regexp.Regexp
	keep func(value string) bool // values that are harmless; may be nil
}

// value is what may follow a key in shell, JSON, YAML and logs, quoted or not,
// within a JSON string too.
const value = `\\?["']?\s*[=:]\s*\\?["']?([^\s"'\\,;&)}\]]+)`

// rules are compiled when the first text is redacted: most runs do nothing of the
// kind.
var rules = sync.OnceValue(func() []rule {
	return []rule{
		{kind: "token", re: regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----`)},
		{kind: "token", re: regexp.MustCompile(`(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})`)},
		{kind: "token", re: regexp.MustCompile(`(?i)\bauthorization\\?["']?\s*[=:]\s*\\?["']?(?:basic|token)\s+([A-Za-z0-9._~+/=-]+)`)},
		{kind: "token", re: regexp.MustCompile(`\b(?:hf_[A-Za-z0-9]{8,}|ya29\.[A-Za-z0-9._-]+|(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{30,}|xox[abprs]-[\w-]{10,}|GOCSPX-[\w-]{16,}|1//0[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)`)},
		{kind: "token", re: regexp.MustCompile(`\b[A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS)(?:_[A-Z0-9_]+)?` + value), keep: shortNumber},
		{kind: "token", re: regexp.MustCompile(`(?i)\b(?:[a-z]+[_-])?(?:token|secret|password|passwd|api[_-]?key|access[_-]?key|private[_-]?key)\\?["']?\s*[=:]\s*\\?["']?([^\s"'\\,;&)}\]]{8,})`), keep: onlyDigits},
		{kind: "token", re: regexp.MustCompile(`(?i)"(?:[a-z]+[_-])?(?:secret|password|passwd|api[_-]?key|access[_-]?key|private[_-]?key)\\?"\s*:\s*\\?"([^"\\]+)`)}, // a string of JSON: however short
		{kind: "token", re: regexp.MustCompile(`--(?:[a-z]+-)*(?:token|secret|password|api-key|access-key)[ =]+["']?([^\s"'\\]+)`)},
		{kind: "token", re: regexp.MustCompile(`://([^/\s:@"'\\]+:[^/\s@"'\\]+)@`)},
		{kind: "account", re: regexp.MustCompile(`\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b`)},
		{kind: "account", re: regexp.MustCompile(`(?i)(?:\baccount(?:_id)?` + value + `|--account[ =]["']?([^\s"'\\]+))`), keep: shortNumber},
		{kind: "project", re: regexp.MustCompile(`\bprojects/([A-Za-z0-9:._-]+)`)},
		{kind: "project", re: regexp.MustCompile(`(?i)\b(?:[a-z]+_)*project(?:_?(?:id|name|number))?` + value), keep: literal},
		{kind: "project", re: regexp.MustCompile(`--project[ =]+["']?([A-Za-z0-9:._-]+)`)},
		{kind: "project", re: regexp.MustCompile(`\b(?:[a-z.]*gcr\.io|[a-z0-9-]+-docker\.pkg\.dev)/([A-Za-z0-9._-]+)`)},
		{kind: "home", re: regexp.MustCompile(`(?:/home/|/Users/|[A-Za-z]:\\{1,2}Users\\{1,2})([^/\s"'\\:;,<>|)\]}]+)`)},
		{kind: "host", re: regexp.MustCompile(`\b[A-Za-z0-9][A-Za-z0-9.-]*\.(?:internal|local|localdomain|corp|lan)\b`)},
		{kind: "host", re: regexp.MustCompile(`\bt1v-n-[0-9a-z]+-w-[0-9]+\b`)}, // names of files go on behind it
		{kind: "host", re: regexp.MustCompile(`(?i)\b(?:[a-z]+_)*host_?names?` + value), keep: common},
		{kind: "user", re: regexp.MustCompile(`(?i)\b(?:user_?name|user|login|logname)` + value), keep: common},
		{kind: "address", re: regexp.MustCompile(`\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b`), keep: noAddress},
		{kind: "address", re: regexp.MustCompile(`\b[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}`), keep: noAddress},
	}
})

// ordinary names say nothing about anybody, or are parts of what captures hold.
var ordinary = []string{
	"root", "user", "users", "localhost", "host", "runner", "ubuntu", "admin", "nobody", "jax", "tpu", "xla", "cpu", "gpu", "main", "layer", "layers",
	"step", "report", "test", "data", "home", "default", "null", "none", "true", "false", "unknown", "model", "name", "string", "0.0.0.0", "127.0.0.1",
}

func common(v string) bool {
	return len(v) < 3 || slices.Contains(ordinary, strings.ToLower(v)) || onlyDigits(v)
}

// literal values of JSON are no names, and must stay JSON.
func literal(v string) bool { return v == "null" || v == "true" || v == "false" }

func onlyDigits(v string) bool  { return strings.Trim(v, "0123456789.") == "" }
func shortNumber(v string) bool { return len(v) < 8 && onlyDigits(v) }

// noAddress also keeps addresses that every machine has.
func noAddress(v string) bool {
	a, err := netip.ParseAddr(v)
	return err != nil || a.IsLoopback() || a.IsUnspecified() || a.Is6() && !strings.ContainsAny(v, "0123456789")
}

// A redactor replaces what says who ran something where, by redacted-KIND, and
// counts it.
type redactor struct {
	rules  []rule
	counts map[redacted]int // by path and kind
}

// newRedactor adds the caller's names, by their kind, to the rules; nil with off.
func newRedactor(off bool, known map[string]string) *redactor {
	if off {
		return nil
	}
	r := &redactor{rules: slices.Clone(rules()), counts: make(map[redacted]int)}
	list := make([]string, 0, len(known))
	for name := range known {
		if !common(name) {
			list = append(list, name)
		}
	}
	// Longer ones first: a host may be named after its user.
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	for _, name := range list {
		r.rules = append(r.rules, rule{kind: known[name], re: regexp.MustCompile(edge(name[0]) + `(?i:` + regexp.QuoteMeta(name) + `)` + edge(name[len(name)-1]))})
	}
	return r
}

// edge is where a name that begins or ends with a byte may begin or end.
func edge(b byte) string {
	if b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' {
		return `\b`
	}
	return ``
}

// text redacts a text and counts for the file at path; it may be nil.
func (r *redactor) text(path string, text []byte) []byte {
	if r == nil {
		return text
	}
	for _, rule := range r.rules {
		n := 0
		if text, n = rule.apply(text); n > 0 {
			r.counts[redacted{Path: path, Kind: rule.kind}] += n
		}
	}
	return text
}

func (r *rule) apply(text []byte) ([]byte, int) {
	var out []byte
	n, done := 0, 0
	for _, m := range r.re.FindAllSubmatchIndex(text, -1) {
		from, to := m[0], m[1]
		for g := 2; g < len(m); g += 2 {
			if m[g] >= 0 {
				from, to = m[g], m[g+1]
				break
			}
		}
		v := string(text[from:to])
		if strings.HasPrefix(v, "redacted-") || r.keep != nil && r.keep(v) {
			continue
		}
		out = append(append(out, text[done:from]...), "redacted-"+r.kind...)
		done = to
		n++
	}
	if n == 0 {
		return text, 0
	}
	return append(out, text[done:]...), n
}

// name redacts a file's name, which must stay one.
func (r *redactor) name(name string) string {
	if r == nil {
		return name
	}
	probe := &redactor{rules: r.rules, counts: make(map[redacted]int)}
	out := string(probe.text("", []byte(name)))
	for k, n := range probe.counts {
		r.counts[redacted{Path: out, Kind: k.Kind}] += n // not under the name it had
	}
	return out
}

// list returns the counts in order.
func (r *redactor) list() []redacted {
	out := []redacted{}
	if r == nil {
		return out
	}
	for k, n := range r.counts {
		k.Count = n
		out = append(out, k)
	}
	slices.SortFunc(out, redacted.compare)
	return out
}

func (r redacted) compare(o redacted) int {
	return cmp.Or(cmp.Compare(r.Path, o.Path), cmp.Compare(r.Kind, o.Kind))
}

// isText says whether a file is plain text: those alone are redacted.
func isText(data []byte) bool {
	return utf8.Valid(data) && !bytes.ContainsRune(data, 0)
}

// kept are the beginnings of the names of variables that change what a run
// does; secret ones never are.
var kept = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:JAX|XLA|TPU|LIBTPU|PJRT|SGLANG|SGL|CUDA|NVIDIA|ROCR|HIP|OMP)_|^(?:ENABLE_MEMORY_PROFILING|MEMORY_PROFILING_LAYERS|DISABLE_MEMORY_REPORTS|DISABLE_PROF_GENERATION|GOMAXPROCS|GODEBUG)$`)
})

// secretName: such variables hold values that no bundle has.
var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`TOKEN$|TOKEN_|SECRET|PASSWORD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL`)
})

// variables keeps what matters of an environment in the form of os.Environ.
func variables(environ []string) map[string]string {
	out := make(map[string]string)
	for _, kv := range environ {
		name, v, ok := strings.Cut(kv, "=")
		if ok && kept().MatchString(name) && !secretName().MatchString(name) {
			out[name] = v
		}
	}
	return out
}
