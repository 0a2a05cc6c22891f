// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sub is a length-delimited field, num a varint one.
func sub(field int, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3|wireBytes), uint64(len(b))), b...)
}

func num(field int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), v)
}

// wide is a varint field whose value has redundant bytes, which is valid and which
// some writers do.
func wide(field int, v uint64, n int) []byte {
	b := num(field, v)
	for len(b) < n {
		b[len(b)-1] |= 0x80
		b = append(b, 0)
	}
	return b
}

// A drawnEvent makes events of the usual shape, and of those next to it.
func drawnEvent(t *rapid.T) []byte {
	times := rapid.OneOf(rapid.Uint64Range(0, 300), rapid.Uint64Range(0, 1<<40), rapid.SampledFrom([]uint64{0, 127, 128, 1<<49 - 1, 1 << 49, 1<<56 - 1, 1 << 56, 1<<63 - 1, 1 << 63}))
	id := rapid.OneOf(rapid.Uint64Range(0, 8), rapid.SampledFrom([]uint64{127, 128, 300, 1 << 14, 1 << 21, 1 << 28, 1 << 40})).Draw(t, "id")
	stat := func(id uint64) []byte {
		return sub(eventStats, num(statID, id), num(rapid.SampledFrom([]int{statUint, statUint, statUint, statInt, statRefTo}).Draw(t, "kind"), times.Draw(t, "value")))
	}
	parts := [][]byte{num(eventID, id), num(eventOffset, times.Draw(t, "offset")), num(eventDuration, times.Draw(t, "duration")), stat(17), stat(18)}
	switch rapid.IntRange(0, 19).Draw(t, "change") {
	case 0: // a part is missing, or there twice
		i := rapid.IntRange(0, len(parts)-1).Draw(t, "part")
		parts[i] = bytes.Repeat(parts[i], rapid.SampledFrom([]int{0, 2}).Draw(t, "times"))
	case 1: // two in the other order
		i := rapid.IntRange(1, len(parts)-1).Draw(t, "part")
		parts[i-1], parts[i] = parts[i], parts[i-1]
	case 2:
		parts[rapid.IntRange(0, 2).Draw(t, "part")] = wide(rapid.IntRange(1, 3).Draw(t, "field"), times.Draw(t, "value"), rapid.IntRange(2, 11).Draw(t, "width"))
	case 3:
		parts = append(parts, stat(rapid.SampledFrom([]uint64{17, 18, 37, 200}).Draw(t, "stat")))
	case 4:
		parts = append(parts, sub(eventStats, num(statID, 38), sub(statString, make([]byte, rapid.IntRange(0, 150).Draw(t, "text")))))
	case 5: // damage
		raw := sub(lineEvents, parts...)
		raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		return raw
	case 6:
		parts = append(parts, stat(37), stat(37))
	}
	return sub(lineEvents, parts...)
}

// kernelRows prints all events of a file and what was wrong with it.
func kernelRows(t *rapid.T, file []byte, opts ScanOptions) (rows []string) {
	sp, err := Index(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			err := ln.Scan(opts, func(b *Batch) bool {
				for i, m := range b.Meta {
					row := fmt.Sprint(b.First+int64(i), " ", pl.Event(m).Key, b.Start[i], b.Dur[i], b.Flags[i])
					for c, v := range b.Values {
						if v.Kind[i] != NoValue && int(m) < len(opts.WantFor) && opts.WantFor[m] {
							row += fmt.Sprint(" ", v.Kind[i], b.Text(c, i), v.Bits[i])
						}
					}
					rows = append(rows, row)
				}
				return true
			})
			rows = append(rows, fmt.Sprint(err))
		}
	}
	for _, p := range sp.Problems() {
		rows = append(rows, fmt.Sprint(p))
	}
	return rows
}

// The kernel takes events of the usual shape, and leaves all others, so that what
// is read is what is read without it.
func TestKernel(t *testing.T) {
	if !haveKernel {
		t.Skip("the processor lacks what the kernel needs")
	}
	defer func() { haveKernel = true }()
	metas := [][]byte{}
	for id := range uint64(8) {
		metas = append(metas, sub(planeEvents, num(mapKey, id), sub(mapValue, num(metaID, id), sub(metaName, []byte("op")))))
	}
	for id, name := range map[uint64]string{17: deviceOffsetName, 18: deviceDurationName, 37: "flops", 38: "text"} {
		metas = append(metas, sub(planeStats, num(mapKey, id), sub(mapValue, num(metaID, id), sub(metaName, []byte(name)))))
	}
	rapid.Check(t, func(t *rapid.T) {
		var events [][]byte
		kinds := rapid.SliceOfN(rapid.Custom(drawnEvent), 1, 12).Draw(t, "events")
		for range rapid.IntRange(1, 80).Draw(t, "count") {
			events = append(events, rapid.SampledFrom(kinds).Draw(t, "event"))
		}
		head := [][]byte{num(lineID, 2), sub(lineName, []byte("XLA Ops"))}
		file := sub(spacePlanes, append([][]byte{sub(planeName, []byte("/device:TPU:0")), sub(planeLines, append(head, events...)...)}, metas...)...)
		file = file[:len(file)-rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "cut")]
		opts := ScanOptions{DeviceClock: true, WindowBytes: rapid.SampledFrom([]int{0, 64, 100, 300}).Draw(t, "window"), BatchEvents: rapid.SampledFrom([]int{0, 1, 7}).Draw(t, "batch")}
		if rapid.Bool().Draw(t, "want") {
			opts.Want = []string{"flops", "text"}
			opts.WantFor = []bool{false, true, true, false, true, false, false, true}
		}
		haveKernel = true
		have := kernelRows(t, file, opts)
		haveKernel = false
		if d := cmp.Diff(kernelRows(t, file, opts), have); d != "" {
			t.Fatalf("without and with the kernel:\n%s", d)
		}
	})
}

// Events of more patterns than are remembered go the other way, and none is lost.
func TestKernelManyLayouts(t *testing.T) {
	var events [][]byte
	for i := range 20_000 {
		tail := make([]byte, 12)
		for j := range tail {
			tail[j] = byte(i>>j&1) << 7
		}
		events = append(events, sub(lineEvents, num(eventID, 1), num(eventOffset, 5), num(eventDuration, 5),
			sub(eventStats, num(statID, 17), num(statUint, uint64(i))), sub(eventStats, num(statID, 18), num(statUint, 1)),
			sub(eventStats, num(statID, 38), sub(statBytes, tail))))
	}
	stat := func(id uint64, name string) []byte {
		return sub(planeStats, num(mapKey, id), sub(mapValue, num(metaID, id), sub(metaName, []byte(name))))
	}
	file := sub(spacePlanes, sub(planeName, []byte("/device:TPU:0")), sub(planeLines, append([][]byte{num(lineID, 2)}, events...)...),
		stat(17, deviceOffsetName), stat(18, deviceDurationName), sub(planeEvents, num(mapKey, 1), sub(mapValue, num(metaID, 1))))
	sp, err := Index(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	next := int64(0)
	err = sp.Planes[0].Lines[0].Scan(ScanOptions{DeviceClock: true}, func(b *Batch) bool {
		for i, start := range b.Start {
			if start != next || b.Dur[i] != 1 || b.Flags[i] != OnDevice {
				t.Fatalf("event %d: start %d, duration %d, flags %d", next, start, b.Dur[i], b.Flags[i])
			}
			next++
		}
		return true
	})
	if err != nil || next != 20_000 {
		t.Errorf("%d events, %v", next, err)
	}
}
