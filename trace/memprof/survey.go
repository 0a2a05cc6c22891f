// SPDX-License-Identifier: Apache-2.0

package memprof

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of profile.proto.
const (
	profileSample   = 2
	profileLocation = 4
	profileStrings  = 6
	sampleLabel     = 3
	labelKey        = 1
)

// maxFields bounds the messages of a profile, each of which becomes an object of
// 50 to 150 bytes.
const maxFields = 4 << 20

// survey walks the messages of a profile before they are decoded: it bounds
// their number, and finds the labels whose number is 0. Encoders leave a zero
// out, and the pprof library then drops the label; a device may well be called 0.
func survey(data []byte) (zero map[int][]string, err error) {
	var strings [][]byte
	keys := make(map[int][]uint64) // string indices by sample
	sample, fields := 0, 0
	count := func(protowire.Number, []byte, uint64) error {
		if fields++; fields > maxFields {
			return fmt.Errorf("more than %d fields in the profile", maxFields)
		}
		return nil
	}
	err = eachField(data, func(num protowire.Number, val []byte, v uint64) error {
		if err := count(num, val, v); err != nil {
			return err
		}
		switch {
		case num == profileLocation && val != nil:
			return eachField(val, count)
		case num == profileStrings && val != nil:
			strings = append(strings, val)
		case num == profileSample && val != nil:
			err := eachField(val, func(num protowire.Number, val []byte, v uint64) error {
				if num == sampleLabel && val != nil {
					if key, bare := bareLabel(val); bare {
						keys[sample] = append(keys[sample], key)
					}
				}
				return count(num, val, v)
			})
			sample++
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	zero = make(map[int][]string)
	for i, ks := range keys {
		for _, k := range ks {
			if k < uint64(len(strings)) {
				zero[i] = append(zero[i], string(strings[k]))
			}
		}
	}
	return zero, nil
}

// bareLabel returns the key of a label that has nothing else.
func bareLabel(b []byte) (key uint64, bare bool) {
	bare = true
	err := eachField(b, func(num protowire.Number, val []byte, v uint64) error {
		if num == labelKey {
			key = v
		} else if v != 0 || val != nil {
			bare = false
		}
		return nil
	})
	return key, bare && err == nil && key != 0
}

// eachField calls f for every field of a message; val is nil but for
// length-delimited ones.
func eachField(b []byte, f func(num protowire.Number, val []byte, v uint64) error) error {
	size := len(b)
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("not a pprof profile: offset 0x%x: %w", size-len(b), protowire.ParseError(n))
		}
		at := size - len(b)
		b = b[n:]
		var val []byte
		var v uint64
		switch typ {
		case protowire.BytesType:
			val, n = protowire.ConsumeBytes(b)
			if n >= 0 && val == nil {
				val = []byte{}
			}
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return fmt.Errorf("not a pprof profile: offset 0x%x: field %d: %w", at, num, protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(num, val, v); err != nil {
			return err
		}
	}
	return nil
}

// Detect says whether a file begins like a pprof profile, decompressed: with a
// sample type, a message of at most two small numbers. Captures begin with a
// plane, which has a name or is larger.
func Detect(head []byte) bool {
	if len(head) < 2 || head[0] != 1<<3|2 || int(head[1]) > len(head)-2 || head[1] > 12 {
		return false
	}
	ok := head[1] > 0
	err := eachField(head[2:2+head[1]], func(num protowire.Number, val []byte, _ uint64) error {
		ok = ok && (num == 1 || num == 2) && val == nil
		return nil
	})
	return ok && err == nil
}
