// SPDX-License-Identifier: Apache-2.0

package runindex

import (
	"bytes"
	"context"
	"hash/crc32"

	"github.com/layerscope/layerscope/reports/objects"
)

// maxObject bounds what is read of one object.
const maxObject = 16 << 20

// Dir is an index in a directory, which is created by the first run added.
func Dir(root string) Store { return On(objects.Dir(root)) }

// On is an index below the root of a store of objects, such as a bucket.
func On(s objects.Store) Store { return store{s} }

type store struct{ objects objects.Store }

func (s store) Create(ctx context.Context, name string, data []byte) error {
	_, err := s.objects.Put(ctx, name, objects.Content{
		Data: bytes.NewReader(data), Size: int64(len(data)), CRC32C: crc32.Checksum(data, objects.Castagnoli), MediaType: "application/json",
	})
	return err
}

func (s store) Read(ctx context.Context, name string) ([]byte, error) {
	return objects.ReadAll(ctx, s.objects, name, maxObject)
}

func (s store) List(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	for o, err := range s.objects.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		names = append(names, o.Name)
	}
	return names, nil
}
