// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode"
)

// referenceCase is one string and what the reference implementation says.
type referenceCase struct {
	Text    []byte  `json:"t"`
	IDs     []int32 `json:"ids"`
	Special []int32 `json:"special"`
	Plain   []int32 `json:"plain"`
	Decoded string  `json:"text"`
	Bare    string  `json:"bare"`
}

// TestReference holds Encode and Decode against the ids and texts that the
// tokenizers library gave for the same file: for a few dozen strings of each
// committed tokenizer, and for all strings that internal/oracle/tokenizer/run.sh
// made where LAYERSCOPE_TOKENIZER_CASES names their folder.
func TestReference(t *testing.T) {
	root := "testdata/hf"
	if dir := os.Getenv("LAYERSCOPE_TOKENIZER_CASES"); dir != "" {
		root = dir
	}
	folders, err := filepath.Glob(filepath.Join(root, "*", "expect.jsonl"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no expect.jsonl in the folders of %s (%v)", root, err)
	}
	for _, path := range folders {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) { compareReference(t, dir) })
	}
}

func compareReference(t *testing.T, dir string) {
	tk, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	cases := readCases(t, filepath.Join(dir, "expect.jsonl"))
	differ := 0
	for _, c := range cases {
		text := string(c.Text)
		ok := true
		same := func(what string, got, want any, equal bool) {
			if !equal {
				ok = false
				if differ < 5 {
					t.Errorf("%s of %q\n got %q\nwant %q", what, text, got, want)
				}
			}
		}
		got := tk.Encode(text, EncodeOptions{})
		same("ids", spell(tk, got), spell(tk, c.IDs), slices.Equal(got, c.IDs))
		got = tk.Encode(text, EncodeOptions{AddSpecial: true})
		same("ids with template", spell(tk, got), spell(tk, c.Special), slices.Equal(got, c.Special))
		got = tk.Encode(text, EncodeOptions{PlainText: true})
		same("ids of plain text", spell(tk, got), spell(tk, c.Plain), slices.Equal(got, c.Plain))
		decoded := tk.Decode(c.IDs)
		same("decoded", decoded, c.Decoded, decoded == c.Decoded)
		decoded = tk.DecodeText(c.IDs)
		same("decoded without special tokens", decoded, c.Bare, decoded == c.Bare)
		if !ok {
			differ++
		}
	}
	t.Logf("%d strings: %d equal, %d different", len(cases), len(cases)-differ, differ)
}

func spell(tk *Tokenizer, ids []int32) []string {
	var out []string
	for _, id := range ids {
		s, _ := tk.Token(id)
		out = append(out, s)
	}
	return out
}

func readCases(t *testing.T, path string) []referenceCase {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []referenceCase
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var c referenceCase
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
			t.Fatalf("%s: line %d: %v", path, len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestReferenceClasses compares the class of every code point with what the
// reference's patterns make of it (Unicode 16).
func TestReferenceClasses(t *testing.T) {
	dir := os.Getenv("LAYERSCOPE_TOKENIZER_CASES")
	if dir == "" {
		t.Skip("classes.json absent: internal/oracle/tokenizer/run.sh makes it and sets LAYERSCOPE_TOKENIZER_CASES")
	}
	data, err := os.ReadFile(filepath.Join(dir, "classes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var runs [][3]any
	if err := json.Unmarshal(data, &runs); err != nil {
		t.Fatal(err)
	}
	want := make([]class, unicode.MaxRune+1)
	names := map[any]class{"L": letter, "N": number, "S": space}
	for _, r := range runs {
		for c := int(r[0].(float64)); c <= int(r[1].(float64)); c++ {
			want[c] = names[r[2]]
		}
	}
	differ := 0
	for c, k := range want {
		if got := classOf(rune(c)); got != k {
			differ++
			if differ < 20 {
				t.Errorf("U+%04X: class %d, want %d", c, got, k)
			}
		}
	}
	t.Logf("%d code points: %d different", len(want), differ)
}
