// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
)

func TestFilter(t *testing.T) {
	ops := map[string]analyze.Op{
		"attn":  {Name: "fusion.1", Category: "custom-call", Layer: "layer_0", Component: "attention", Scope: "layer_0/attention/flash", BoundBy: "hbm"},
		"mlp":   {Name: "fusion.2", Category: "convolution fusion", Layer: "layer_10", Component: "mlp", Scope: "layer_10/mlp", Source: "model.py:3"},
		"embed": {Name: "gather", Category: "loop fusion", Layer: "embed", Program: "jit_score", Device: "/device:TPU:0"},
		"copy":  {Name: "copy-done.3", Category: "copy"},
	}
	for _, c := range []struct{ expr, want string }{
		{"", "attn copy embed mlp"},
		{"layer:layer_*", "attn mlp"},
		{"layer:layer_?", "attn"},
		{"layer:unattributed", "copy"},
		{"layer:layer", ""}, // a glob covers the whole text
		{"category:/fusion/", "embed mlp"},
		{"category:/^conv|call$/", "attn mlp"},
		{`category:"loop fusion"`, "embed"},
		{"-op:copy*", "attn embed mlp"},
		{"layer:layer_* -component:mlp", "attn"},
		{"layer:layer_* AND component:mlp", "mlp"},
		{"component:mlp OR layer:embed", "embed mlp"},
		{"component:(mlp OR attention)", "attn mlp"},
		{"-(component:mlp OR component:attention)", "copy embed"},
		{"-layer:layer_* -layer:embed", "copy"},
		{"source:* -source:?*", "attn copy embed"},
		{"program:jit_* device:*TPU:0", "embed"},
		{"bound:hbm", "attn"},
		{"scope:layer_0/*", "attn"},
		{`op:/fusion\./ scope:*mlp`, "mlp"},
	} {
		f, err := ParseFilter(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		var got []string
		for _, name := range []string{"attn", "copy", "embed", "mlp"} {
			if o := ops[name]; f.match(&o) {
				got = append(got, name)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: keeps %q, want %q", c.expr, s, c.want)
		}
	}
}

func TestFilterErrors(t *testing.T) {
	const keys = "bound, category, component, device, layer, op, program, scope, source"
	for expr, want := range map[string]string{
		"layer":                           "filter: column 1: want key:value, with a key of " + keys,
		"lyer:x":                          `filter: column 1: unknown key "lyer", want one of ` + keys,
		"layer:":                          "filter: column 7: want a value",
		"layer:a  op:":                    "filter: column 13: want a value",
		"op:/a":                           "filter: column 4: no closing /",
		`op:"a`:                           `filter: column 4: no closing "`,
		"op:/(/":                          "filter: column 4: error parsing regexp: missing closing ): `(`",
		"(op:a":                           "filter: column 6: a parenthesis is open",
		"op:a)":                           "filter: column 5: this closes nothing",
		"op:(a b)":                        "filter: column 7: want OR or a closing parenthesis",
		"op:a OR":                         "filter: column 8: want key:value, with a key of " + keys,
		strings.Repeat("(", 200) + "op:a": "filter: column 102: nested too deeply",
	} {
		_, err := ParseFilter(expr)
		if err == nil || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", expr, err, want)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{"layer:layer_* -op:/x|y/", `scope:(a OR "b c")`, "-((op:*", "op:/[/", "\xff:\xff", "layer:\xff*"} {
		f.Add(seed)
	}
	op := analyze.Op{Name: "fusion.1", Layer: "layer_0"}
	f.Fuzz(func(t *testing.T, expr string) {
		filter, err := ParseFilter(expr)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "filter: column ") {
				t.Errorf("error doesn't say where: %v", err)
			}
			return
		}
		// An expression and its negation share the ops between them.
		not, err := ParseFilter("-(" + expr + ")")
		if strings.TrimSpace(expr) == "" {
			return
		}
		if err != nil {
			t.Fatalf("-(%s): %v", expr, err)
		}
		if filter.match(&op) == not.match(&op) {
			t.Errorf("%s and its negation agree", expr)
		}
	})
}
