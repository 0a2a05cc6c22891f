// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"encoding/binary"
	"unsafe"
)

const (
	noLength   = "found bits that are no literal or length code"
	noDistance = "found bits that are no distance code"
)

// fast decodes while input and output have room for whole rounds without checks.
//
// A round begins with at least 56 bits and the entry e of the next symbol looked
// up, but not consumed. It takes three literals, or up to two literals and a
// match. The input bits above bitcnt are the bytes at ip already or again, so a
// refill may put them in twice; bits of bitcnt above the lowest six are garbage
// (entries are subtracted whole).
//
// Memory safety: a round reads at most 24 bytes from ip, and ip ≤ z.end −
// fastInput; it writes at most fastOutput + maxMatch + 16 bytes from op, and op
// ≤ z.limit − fastOutput, which leaves more, maxMatch + slack; a match reads behind
// op − back ≥ z.reach ≥ 0; table indices are masked.
//
// Note: with slices and their bounds checks the same loop makes 1.78 GB/s of
// JSON instead of 2.15 at the time. Copies of 32 bytes a step (1.93) and calls of copy for
// long matches (2.08) were slower than 16 bytes a step (2.11). The function is
// long because a call in it costs more than what it would do.
func (z *Reader) fast() {
	in, ip, ipEnd := unsafe.Pointer(unsafe.SliceData(z.in)), z.ip, z.end-fastInput
	out, op, opEnd := unsafe.Pointer(unsafe.SliceData(z.out)), z.op, z.limit-fastOutput
	lit, dist, reach := z.lit, z.dist, z.reach
	bitbuf, ip, bitcnt := refill(in, ip, z.bitbuf, z.bits())
	e := lit[bitbuf&(1<<litRoot-1)]
	var fault string
	far := 0
loop:
	for ip <= ipEnd && op <= opEnd {
		saved := bitbuf
		bitbuf >>= e & 63
		bitcnt -= uint(e)
		if e&literal != 0 {
			*(*byte)(unsafe.Add(out, op)) = byte(e >> 16)
			op++
			e = lit[bitbuf&(1<<litRoot-1)]
			saved = bitbuf
			bitbuf >>= e & 63
			bitcnt -= uint(e)
			if e&literal != 0 {
				*(*byte)(unsafe.Add(out, op)) = byte(e >> 16)
				op++
				e = lit[bitbuf&(1<<litRoot-1)]
				saved = bitbuf
				bitbuf >>= e & 63
				bitcnt -= uint(e)
				if e&literal != 0 {
					goto lastLiteral
				}
			}
		}
		if e&special != 0 {
			if e&link != 0 {
				e = lit[(e>>16+entry(bitbuf)&(1<<(e>>8&15)-1))&(litSize-1)]
				saved = bitbuf
				bitbuf >>= e & 63
				bitcnt -= uint(e)
				if e&literal != 0 {
					goto lastLiteral
				}
			}
			if e&special != 0 {
				if e&endBlock != 0 {
					z.endBlock()
				} else {
					fault = noLength
				}
				break
			}
		}
		{
			end := op + valueOf(e, saved)
			if bitcnt&63 < 28 { // a distance may take 15 + 13
				bitbuf, ip, bitcnt = refill(in, ip, bitbuf, bitcnt)
			}
			e = dist[bitbuf&(1<<distRoot-1)]
			if e&link != 0 {
				bitbuf >>= distRoot
				bitcnt -= distRoot
				e = dist[(e>>16+entry(bitbuf)&(1<<(e>>8&15)-1))&(distSize-1)]
			}
			if e&special != 0 {
				fault = noDistance
				break
			}
			back := valueOf(e, bitbuf)
			if back > op-reach {
				far = back
				break
			}
			bitbuf >>= e & 63
			bitcnt -= uint(e)
			bitbuf, ip, bitcnt = refill(in, ip, bitbuf, bitcnt)
			e = lit[bitbuf&(1<<litRoot-1)]
			if back < 16 {
				overlap(out, op, end, back)
				op = end
				continue
			}
			for src := op - back; op < end; op, src = op+16, src+16 {
				*(*[16]byte)(unsafe.Add(out, op)) = *(*[16]byte)(unsafe.Add(out, src))
			}
			op = end
			continue loop
		}
	lastLiteral:
		*(*byte)(unsafe.Add(out, op)) = byte(e >> 16)
		op++
		bitbuf, ip, bitcnt = refill(in, ip, bitbuf, bitcnt)
		e = lit[bitbuf&(1<<litRoot-1)]
	}
	z.ip, z.op, z.bitbuf, z.bitcnt = ip, op, bitbuf, bitcnt&63
	if fault != "" {
		z.fail(fault, nil)
	}
	if far > 0 {
		z.tooFar(far, op)
	}
}

// refill fills the bit buffer to 56 bits or more.
func refill(in unsafe.Pointer, ip int, bitbuf uint64, bitcnt uint) (uint64, int, uint) {
	next := binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(in, ip))[:])
	return bitbuf | next<<(bitcnt&63), ip + int(63-bitcnt&63)>>3, bitcnt | 56
}

// masks[n] has the lowest n bits set. A load beats the two operations of 1<<n−1,
// by 7 % on JSON and 6 % on protobuf.
var masks = func() (m [64]uint64) {
	for i := range m {
		m[i] = 1<<i - 1
	}
	return m
}()

// valueOf returns the length or distance of the entry e: its base and the extra
// bits that follow the code in saved.
func valueOf(e entry, saved uint64) int {
	return int(e>>16) + int(saved&masks[e&63]>>(e>>8&15))
}

// overlap copies a match from less than 16 bytes back, up to 7 bytes beyond end.
func overlap(out unsafe.Pointer, op, end, back int) {
	if back == 1 {
		word := uint64(*(*byte)(unsafe.Add(out, op-1))) * 0x0101010101010101
		for ; op < end; op += 8 {
			binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(out, op))[:], word)
		}
		return
	}
	if back >= 8 {
		for ; op < end; op += 8 {
			*(*[8]byte)(unsafe.Add(out, op)) = *(*[8]byte)(unsafe.Add(out, op-back))
		}
		return
	}
	for ; op < end; op++ {
		*(*byte)(unsafe.Add(out, op)) = *(*byte)(unsafe.Add(out, op-back))
	}
}
