// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fences lets the documents below stand in raw strings: ' for a backquote.
func fences(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "'", "`") }

var document1 = fences(`
# Title

'''console
$ layerscope report x.pb
layer  self
…
total

$ layerscope check x.pb | \
>   head -1
ok
'''

<!-- doctest: skip needs a TPU -->

'''console
$ layerscope capture grpc://host
'''

'''sh
make build
'''

'''go
x := 1
'''

- in a list:

  <!-- doctest: exit 4 -->
  ''''console
  $ layerscope check bad.pb
  '''
  error
  ''''
`)

func TestExtract(t *testing.T) {
	got, err := extract(document1)
	if err != nil {
		t.Fatal(err)
	}
	want := []block{
		{line: 3, commands: []command{
			{line: 4, text: "layerscope report x.pb", want: []string{"layer  self", "…", "total"}, from: 4, to: 7},
			{line: 9, text: "layerscope check x.pb | head -1", want: []string{"ok"}, from: 10, to: 11},
		}},
		{line: 16, skip: "needs a TPU", commands: []command{{line: 17, text: "layerscope capture grpc://host", from: 17, to: 17}}},
		{line: 20, skip: "sh block, shown only"},
		{line: 31, exit: 4, indent: "  ", commands: []command{{line: 32, text: "layerscope check bad.pb", want: []string{"```", "error"}, from: 32, to: 34}}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(block{}, command{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestExtractErrors(t *testing.T) {
	for want, text := range map[string]string{
		"line 1: the block has no closing fence":                                  "'''console\n$ layerscope\n",
		"line 1: the block has $ commands: mark it console (run) or sh (not run)": "'''\n$ layerscope\n'''\n",
		"line 1: a console block without a $ command":                             "'''console\nlayerscope\n'''\n",
		"line 1: doctest: exit four: want skip REASON or exit N":                  "<!-- doctest: exit four -->\n'''console\n$ layerscope\n'''\n",
		"line 3: the block has $ commands: mark it console (run) or sh (not run)": "text\n\n'''text\n$ layerscope\n'''\n",
		"line 1: doctest: ignore this block: want skip REASON or exit N":          "<!-- doctest: ignore this block -->\n'''console\n$ layerscope\n'''\n",
	} {
		if _, err := extract(fences(text)); err == nil || err.Error() != want {
			t.Errorf("extract(%q): error %v, want %s", text, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"a b", "a b", true},
		{"a b", "a c", false},
		{"a b", "a", false},
		{"…", "", true},
		{"…", "x y z", true},
		{"a …", "a", true},
		{"a …", "a x y", true},
		{"a …", "b", false},
		{"… z", "x y z", true},
		{"a … z", "a z", true},
		{"a … z", "a", false},
		{"a … a", "a", false}, // one line can't be both
		{"a ... m … z", "a x m y z", true},
		{"a … m … z", "a x y z", false},
		{"a … z … z", "a z", false},
		{"a … m n … z", "a m m n z", true},
	} {
		want, got := strings.Fields(c.want), strings.Fields(c.got)
		if ok := matches(want, got); ok != c.ok {
			t.Errorf("matches(%q, %q) = %v", want, got, ok)
		}
	}
}

// What -update writes is what the comparison then accepts, and a text that
// already matches stays as it is.
func TestUpdate(t *testing.T) {
	for _, c := range []struct{ want, got, fresh string }{
		{"a b", "x y z", "x y z"},
		{"a b … c", "p q r s", "p q … s"},
		{"…", "p q", "…"},
		{"a …", "p", "p"},
		{"", "p", "p"},
		{"a", "", ""},
	} {
		got := strings.Fields(c.got)
		fresh, err := updated(strings.Fields(c.want), got)
		if err != nil || strings.Join(fresh, " ") != c.fresh {
			t.Errorf("updated(%q, %q) = %q, %v, want %q", c.want, c.got, fresh, err, c.fresh)
		}
		if !matches(fresh, got) {
			t.Errorf("updated(%q, %q) = %q doesn't match", c.want, c.got, fresh)
		}
	}
	if _, err := updated([]string{"…", "a", "…"}, []string{"b"}); err == nil {
		t.Error("two elisions are updated without asking")
	}
}

func TestApplyKeepsTheRest(t *testing.T) {
	blocks, err := extract(document1)
	if err != nil {
		t.Fatal(err)
	}
	first, last := blocks[0].commands, blocks[3].commands[0]
	got := apply(document1, []edit{
		{first[0].from, first[0].to, []string{"one line  "}, ""},
		{first[1].from, first[1].to, []string{"two", "lines"}, ""},
		{last.from, last.to, nil, "  "},
	})
	want := strings.Replace(document1, "layer  self\n…\ntotal\n", "one line\n", 1)
	want = strings.Replace(want, "\nok\n", "\ntwo\nlines\n", 1)
	want = strings.Replace(want, "  ```\n  error\n", "", 1)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestPlan(t *testing.T) {
	demo := "make -s --no-print-directory -f '/r/Makefile' BIN=layerscope demo-run"
	for _, c := range []struct{ text, run, skip string }{
		{"layerscope report a.pb", "layerscope report a.pb", ""},
		{"A=1 bin/layerscope report a.pb 2>&1 | head -3; echo \"exit $?\"", "A=1 bin/layerscope report a.pb 2>&1 | head -3; echo \"exit $?\"", ""},
		{"grep -c 'a | b; rm x' f", "grep -c 'a | b; rm x' f", ""},
		{"make demo", demo, ""},
		{"git clone https://x/layerscope && cd layerscope && make demo", demo, ""},
		{"make test", "", "make would run the tests again"},
		{"go install ./cmd/layerscope@latest", "", "go needs the network or a build"},
		{"git clone https://x/layerscope && cd layerscope && make", "", "make would run the tests again"},
		{"mkdir out && layerscope report a.pb -o out/r.md", "mkdir out && layerscope report a.pb -o out/r.md", ""},
	} {
		run, skip, err := plan(c.text, "/r/Makefile")
		if err != nil || run != c.run || skip != c.skip {
			t.Errorf("plan(%q) = %q, %q, %v; want %q, %q", c.text, run, skip, err, c.run, c.skip)
		}
	}
	for _, text := range []string{"python3 x.py", "layerscope report | jq .", "echo `id`", "echo $(id)", "layerscope x && ", "ls; kill 1", "X=1 ssh host"} {
		if run, skip, err := plan(text, "/r/Makefile"); err == nil {
			t.Errorf("plan(%q) = %q, %q, want an error", text, run, skip)
		}
	}
}
