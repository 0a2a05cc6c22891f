// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/layerscope/layerscope/reports/objects"
)

// Whatever the journal of a pull says: a range counts only if its bytes are there,
// and nothing is touched but the files that are asked for.
func FuzzJournal(f *testing.F) {
	for _, seed := range []string{
		"", "{", `{"path":"a","generation":1,"offset":0,"length":4,"crc32c":0}` + "\n", `{"path":"../../b","generation":1,"offset":0,"length":4}` + "\n",
		`{"path":"a","generation":1,"offset":-1}` + "\n" + `{"path":"a","generation":1,"offset":4,"length":-4}` + "\n", "null\n[]\n",
		`{"path":"a","generation":1,"offset":0,"length":4,"crc32c":1214729159}` + "\n" + `{"path":"a"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, journal []byte) {
		base := t.TempDir()
		target := filepath.Join(base, "back")
		sum := sha256.Sum256([]byte("id"))
		text := append([]byte(hex.EncodeToString(sum[:])+"\n"), journal...)
		if err := os.MkdirAll(filepath.Join(pullingDir(target), "files"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(pullingDir(target), journalFile), text, 0o666); err != nil {
			t.Fatal(err)
		}
		st, err := openStage(target, []byte("id"))
		if err != nil {
			t.Fatal(err)
		}
		o := objects.Info{Name: "x/a", Size: 10, Generation: 1}
		if err := st.begin("a", o, 4); err != nil {
			t.Fatal(err)
		}
		for i, part := range []string{"0000", "1111", "22"} {
			if offset := int64(4 * i); !st.has("a", offset) {
				if err := st.write("a", offset, int64(len(part)), bytes.NewReader([]byte(part))); err != nil {
					t.Fatal(err)
				}
			} else if zeros, err := sumRange(bytes.NewReader(make([]byte, len(part))), 0, int64(len(part))); err != nil || st.known["a"][offset].CRC32C != zeros {
				t.Fatalf("offset %d counts, and isn't there", offset)
			}
		}
		if err := st.publish(target); err != nil {
			t.Fatal(err)
		}
		err = fs.WalkDir(os.DirFS(base), ".", func(p string, _ fs.DirEntry, err error) error {
			if p != "." && p != "back" && p != "back/a" {
				t.Errorf("%s: who asked for it?", p)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
