// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/tracetest"
)

func sieved(t testing.TB, text string, names bool, mask *masks) (string, []secret) {
	t.Helper()
	s := newSieve(strings.NewReader(text), probesFor(names, map[string]string{"worker-77": "host"}), mask)
	out, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), s.found
}

func TestSieveFinds(t *testing.T) {
	key := "-----BEGIN RSA PRIVATE KEY-----\\n" + strings.Repeat("MIIabc+/09\\n", 20) + "-----END RSA PRIVATE KEY-----"
	for _, c := range []struct {
		in   string
		kind string // "" = nothing
	}{
		{`"HF_TOKEN": "hf_0123456789abcdefghijABCDEFGHIJ"`, "token"},
		{"\x0a\x22hf_0123456789abcdefghijABCDEFGHIJ\x12", "token"},
		{`{\"api_key\": \"a1b2c3d4e5f6g7h8\"}`, "token"},
		{"WANDB_API_KEY=a1b2c3d4e5f6g7h8i9j0", "token"},
		{"Authorization: Bearer abc.def-ghi0123456", "token"},
		{"AKIAIOSFODNN7EXAMPLE", "token"},
		{"ghp_0123456789abcdefghij0123456789abcdef", "token"},
		{"https://me:pw01@host/x", "token"},
		{"eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ", "token"},
		{key, "token"},
		// What captures are full of.
		{`"num_tokens": 1234567890123456, "token_ids": [1234567890123456]`, ""},
		{`"tokenizer_path": "/models/llama-3-8b-instruct-0123"`, ""},
		{`%after-all.1 = token[] after-all(token[] %token.12345678)`, ""},
		{`task-0123456789abcdef0123456789abcdef`, ""},
		{`hf_transfer==0.1.9 hf_hub_download_with_retries`, ""},
		{`"password": "correct horse battery"`, ""},
		{`secret=/run/secrets/kubernetes/io/token1`, ""},
	} {
		_, found := sieved(t, c.in, false, nil)
		if c.kind == "" && len(found) > 0 || c.kind != "" && (len(found) != 1 || found[0].Kind != c.kind || found[0].Count != 1) {
			t.Errorf("%s: found %+v, wanted %q once", c.in, found, c.kind)
		}
		text, _ := sieved(t, c.in, true, &masks{make(map[string]int)})
		if again, found := sieved(t, text, false, nil); c.kind != "" && len(found) > 0 || len(text) != len(c.in) || again != text {
			t.Errorf("%s: overwritten it is %s, in which %+v", c.in, text, found)
		}
	}
}

// Different names stay different, equal ones equal, and nothing moves.
func TestSieveMasks(t *testing.T) {
	in := `"/host:t1v-n-3d21a6bb-w-0" "/host:t1v-n-3d21a6bb-w-1" "/host:t1v-n-3d21a6bb-w-0" bob@example.com /home/alice/x worker-77 "hostname": "box9"`
	want := `"/host:redacted-host----1" "/host:redacted-host----2" "/host:redacted-host----1" redacted-acco-3 /home/red-4/x redacte-5 "hostname": "re-6"`
	got, found := sieved(t, in, true, &masks{make(map[string]int)})
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if len(found) != 3 {
		t.Errorf("kinds %+v, want host, account and home", found)
	}
}

// Wherever a value lies among the blocks, it is found once, and at its offset;
// without one, and whatever the reads, bytes pass unchanged.
func TestSieveBlocks(t *testing.T) {
	const token = "hf_0123456789abcdefghijABCDEFGHIJ"
	for _, at := range []int{0, sieveBlock - sieveReach - 40, sieveBlock - sieveReach - 10, sieveBlock - sieveReach, sieveBlock - 20, sieveBlock, 2*sieveBlock - 10, 3 * sieveBlock} {
		text := []byte(strings.Repeat("x y ", sieveBlock))
		copy(text[at:], " "+token+" ")
		s := newSieve(iotest.HalfReader(bytes.NewReader(text)), probesFor(true, nil), nil)
		out, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(out, text) {
			t.Errorf("at %d: bytes changed on the way, %v", at, err)
		}
		if len(s.found) != 1 || s.found[0].Count != 1 || s.found[0].Offset != int64(at+1) {
			t.Errorf("at %d: %+v", at, s.found)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		out, err := io.ReadAll(newSieve(bytes.NewReader(text), probesFor(false, nil), nil))
		if err != nil || !bytes.Equal(out, text) {
			t.Fatalf("bytes changed on the way, %v", err)
		}
		masked, err := io.ReadAll(newSieve(bytes.NewReader(text), probesFor(true, nil), &masks{make(map[string]int)}))
		if err != nil || len(masked) != len(text) {
			t.Fatalf("%d bytes became %d, %v", len(text), len(masked), err)
		}
	})
}

// Of all real captures three have tokens in them: what their environments and
// headers held.
func TestSharedCapturesHoldTokens(t *testing.T) {
	root := filepath.Dir(tracetest.Shared(t, "data/torch"))
	want := map[string]int{"h100_qwen15_05b.json.gz": 1, "mi300_qwen15_05b.json.gz": 1, "chrome_track_events.pftrace": 3}
	err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		found, partly, err := look(f, probesFor(false, nil))
		n := 0
		for _, s := range found {
			n += s.Count
		}
		if err != nil || partly != (filepath.Base(p) == "cut_of_base_b.trace.json.gz") || n != want[filepath.Base(p)] {
			t.Errorf("%s: %+v, partly %t, %v; want %d tokens", p, found, partly, err, want[filepath.Base(p)])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSieve(b *testing.B) {
	text := strings.Repeat(`{"name": "fusion.12", "args": {"num_tokens": 128, "long_name": "%fusion.12 = bf16[128,1024]{1,0} fusion(...)"}, "ts": 12345.678},`+"\n", 100_000)
	for _, c := range []struct {
		name string
		run  func() error
	}{
		{"copy", func() error {
			_, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{strings.NewReader(text)})
			return err
		}},
		{"tokens", func() error {
			_, err := io.Copy(struct{ io.Writer }{io.Discard}, newSieve(strings.NewReader(text), probesFor(false, nil), nil))
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := c.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
