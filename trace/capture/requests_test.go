// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"strings"
	"testing"
)

const oneRequest = `{"query":[1],"items":[[2]],"label_token_ids":[3]}`

func TestReadRequests(t *testing.T) {
	for text, want := range map[string]int{oneRequest: 1, "[" + oneRequest + "," + oneRequest + "]": 2, oneRequest + "\n[" + oneRequest + "]\n" + oneRequest: 3} {
		if got, err := ReadRequests(strings.NewReader(text)); err != nil || len(got) != want || string(got[want-1]["query"]) != "[1]" {
			t.Errorf("%s: %v, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "no request", "[]": "no request", "{": "offset 0x0: unexpected EOF", `{"query":1}`: "request 1 has no query or no items", "null": "request 1", oneRequest + "x": "offset 0x31",
		"[" + oneRequest + ",7]": "wanted a scoring request",
	} {
		if _, err := ReadRequests(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// FuzzRequests: what is read is requests, or an error.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{oneRequest, "[" + oneRequest + "]\n" + oneRequest, "[]", "{", `{"query":null,"items":null}`, `[[{}]]`, "1 2", oneRequest + "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadRequests(strings.NewReader(text))
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%d requests, %v", len(got), err)
		}
		for _, r := range got {
			if r["query"] == nil || r["items"] == nil {
				t.Fatalf("a request without query or items: %s", r)
			}
		}
	})
}
