// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// moduleFile writes a module of one computation to a file; id 0 is left out.
func moduleFile(t *testing.T, name string, id uint64) string {
	t.Helper()
	str := func(b []byte, num protowire.Number, s []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), s)
	}
	num := func(b []byte, n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
	}
	in := num(str(str(nil, 1, []byte("add.1")), 2, []byte("add")), 35, 1)
	comp := num(num(str(str(nil, 1, []byte("main")), 2, in), 5, 1), 6, 1)
	m := str(str(str(nil, 1, []byte(name)), 2, []byte("main")), 3, comp)
	if id != 0 {
		m = num(m, 5, id)
	}
	path := filepath.Join(t.TempDir(), "module.pb")
	if err := os.WriteFile(path, str(nil, 1, num(m, 6, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// A module goes to the program of its id, or else to all of its name, which is said.
func TestAddHLO(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  string // ids of the modules that programs 20 and 24 of jit_score, and 26 of jit_stage got
		codes string
	}{
		{"by id", []string{moduleFile(t, "jit_score", 24)}, "- 24 -", ""},
		{"ids before names", []string{moduleFile(t, "jit_score", 7), moduleFile(t, "jit_score", 24)}, "7 24 -", ""},
		{"no id that fits", []string{moduleFile(t, "jit_score", 7)}, "7 7 -", "hlo-by-name"},
		{"one of the name", []string{moduleFile(t, "jit_stage.3", 7)}, "- - 7", ""},
		{"none of the name", []string{moduleFile(t, "jit_other", 24)}, "- - -", "hlo-unused"},
	} {
		tr := newTrace()
		tr.Programs = []Program{{Name: "jit_score", ID: 20}, {Name: "jit_score", ID: 24}, {Name: "jit_stage", ID: 26}}
		if err := tr.addHLO(c.files, 0); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range tr.Programs {
			id := "-"
			if p.Module != nil {
				id = string(rune('0' + p.Module.ID%10))
				if p.Module.ID > 9 {
					id = string(rune('0'+p.Module.ID/10)) + id
				}
			}
			got = append(got, id)
		}
		var codes []string
		for _, f := range tr.Findings {
			codes = append(codes, f.Code)
		}
		if s := strings.Join(got, " "); s != c.want || strings.Join(codes, " ") != c.codes {
			t.Errorf("%s: modules %s, findings %q; wanted %s, %q", c.name, s, codes, c.want, c.codes)
		}
	}
}
