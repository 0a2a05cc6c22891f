// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
)

func benchInputs(b *testing.B) map[string][]byte {
	return map[string][]byte{
		"json":  pack(b, jsonLike(32<<20), 6),
		"proto": pack(b, protoLike(32<<20), 1),
	}
}

func BenchmarkInflate(b *testing.B) {
	readers := map[string]func(r io.Reader) (int64, error){
		"own": func(r io.Reader) (int64, error) {
			z, err := NewReader(r, Options{})
			if err != nil {
				return 0, err
			}
			return z.WriteTo(io.Discard)
		},
		"std": func(r io.Reader) (int64, error) {
			z, err := gzip.NewReader(r)
			if err != nil {
				return 0, err
			}
			return io.Copy(io.Discard, z)
		},
		"klauspost": func(r io.Reader) (int64, error) {
			z, err := kgzip.NewReader(r)
			if err != nil {
				return 0, err
			}
			return io.Copy(io.Discard, z)
		},
	}
	for kind, data := range benchInputs(b) {
		b.Logf("%s: %d compressed", kind, len(data))
		for name, f := range readers {
			b.Run(kind+"/"+name, func(b *testing.B) {
				var n int64
				for b.Loop() {
					var err error
					n, err = f(bytes.NewReader(data))
					if err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(n)
			})
		}
	}
}
