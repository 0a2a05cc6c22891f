// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// evilCapture has names that want to get out: escape sequences, paths, markup,
// formulas, bytes that are no UTF-8.
const evilCapture = `layerscope-trace 1
host "../../etc/passwd"
meta "key\x1b[2J" "<script>alert(1)</script>\x07"
program "jit_f\n# x" 7
device /device:TPU:0 tpu type="TPU\x07" host="../../etc/passwd"
op dot name="=cmd|' /C calc'!A0" program=0 category="a|b\r" scope="jit(f)/layer_0/mlp/\x1b]0;t\x07dot" flops=10 bytes=20
op bad name="\xff\xfe\u202e\x9b31m" program=0 scope="jit(f)/layer_1/../../x/dot"
op c name="\"quoted\";semi" long="<img src=x onerror=y>" category="\u2028c"
exec 0 0 5 0 4000000
track ops device=0 name="../../evil\x1b[31m" host="../../etc/passwd"
  0 1000000 dot
  1000000 2000000 bad
  3500001 10 c
track host name="../../../tmp/evil" host="../../etc/passwd"
  0 5000000 c
finding truncated error "cut\nhere\x1b[5m" count=2 hint="\x1b[1m"
`

// TestNamesStayInside: names of a capture reach no terminal, table or path as
// they are.
func TestNamesStayInside(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.txt")
	if err := os.WriteFile(in, []byte(evilCapture), 0o666); err != nil {
		t.Fatal(err)
	}
	out := func(name string) string { return filepath.Join(dir, name) }
	for _, args := range [][]string{
		{"inspect", in}, {"check", in}, {"report", "--all", "--top", "0", in}, {"report", "--format", "md", "--top", "0", in}, {"report", "--format", "csv", in},
		{"report", "--format", "json", in}, {"convert", in, "--to", "folded"}, {"convert", in, "--to", "csv"}, {"convert", in, "--to", "ops-csv"},
		{"convert", in, "--to", "speedscope"}, {"convert", in, "--to", "chrome"}, {"convert", in, "--to", "txt"},
		{"convert", in, "-o", out("x.json")}, {"convert", in, "-o", out("x.xplane.pb")}, {"convert", in, "-o", out("x.pftrace")}, {"convert", in, "-o", out("x.pprof")},
		{"convert", in, "-o", out("x.parquet")}, {"convert", in, "-o", out("x.parquet"), "--json"},
	} {
		var stdout, stderr bytes.Buffer
		e := edge{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
		if code := run(t.Context(), e, args); code != exitDone && code != exitUntrusted {
			t.Errorf("%v: exit code %d: %s", args, code, stderr.String())
		}
		for stream, text := range map[string]string{"stdout": stdout.String(), "stderr": stderr.String()} {
			for i, r := range text {
				if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
					t.Errorf("%v: %s holds %q: %.60q", args[:2], stream, r, text[max(0, i-30):])
					break
				}
			}
		}
		if csv := args[len(args)-1] == "csv" || args[len(args)-1] == "ops-csv"; csv && strings.Contains(stdout.String(), ",=cmd") {
			t.Errorf("%v: a formula in a cell", args)
		}
	}
	var found []string
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		found = append(found, strings.TrimPrefix(path, dir))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := 7; len(found) != want { // the folder, the input and five outputs
		t.Errorf("files %q, want %d", found, want)
	}
}
