// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"encoding/binary"
	"unsafe"
)

// fast decodes while input and output have room for a whole round without
// checks.
func (z *Reader) fast() {
	var (
		in     = unsafe.Pointer(unsafe.SliceData(z.in))
		ip     = z.ip
		ipEnd  = z.end - fastInput
		out    = unsafe.Pointer(unsafe.SliceData(z.out))
		op     = z.op
		opEnd  = z.limit - fastOutput
		bitbuf = z.bitbuf
		bitcnt = z.bitcnt & 63
		lit    = z.lit
		dist   = z.dist
		reach  = z.reach
		fault  string
		far    int
	)
	bitbuf |= binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(in, ip))[:]) << (bitcnt & 63)
	ip += int(63-bitcnt&63) >> 3
	bitcnt |= 56
	e := lit[bitbuf&(1<<litRoot-1)]
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
					*(*byte)(unsafe.Add(out, op)) = byte(e >> 16)
					op++
					bitbuf |= binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(in, ip))[:]) << (bitcnt & 63)
					ip += int(63-bitcnt&63) >> 3
					bitcnt |= 56
					e = lit[bitbuf&(1<<litRoot-1)]
					continue
				}
			}
		}
		if e&special != 0 {
			if e&link == 0 {
				if e&endBlock == 0 {
					fault = "found bits that are no literal or length code"
				} else {
					z.endBlock()
				}
				break
			}
			e = lit[(uint(e>>16)+uint(bitbuf)&(1<<(e>>8&15)-1))&(litSize-1)]
			saved = bitbuf
			bitbuf >>= e & 63
			bitcnt -= uint(e)
			if e&literal != 0 {
				*(*byte)(unsafe.Add(out, op)) = byte(e >> 16)
				op++
				bitbuf |= binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(in, ip))[:]) << (bitcnt & 63)
				ip += int(63-bitcnt&63) >> 3
				bitcnt |= 56
				e = lit[bitbuf&(1<<litRoot-1)]
				continue
			}
			if e&special != 0 {
				if e&endBlock == 0 {
					fault = "found bits that are no literal or length code"
				} else {
					z.endBlock()
				}
				break
			}
		}
		length := int(e>>16) + int(saved&(1<<(e&63)-1)>>(e>>8&15))
		bitbuf |= binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(in, ip))[:]) << (bitcnt & 63)
		ip += int(63-bitcnt&63) >> 3
		bitcnt |= 56
		e = dist[bitbuf&(1<<distRoot-1)]
		if e&special != 0 {
			if e&link == 0 {
				fault = "found bits that are no distance code"
				break
			}
			bitbuf >>= distRoot
			bitcnt -= distRoot
			e = dist[(uint(e>>16)+uint(bitbuf)&(1<<(e>>8&15)-1))&(distSize-1)]
			if e&special != 0 {
				fault = "found bits that are no distance code"
				break
			}
		}
		back := int(e>>16) + int(bitbuf&(1<<(e&63)-1)>>(e>>8&15))
		bitbuf >>= e & 63
		bitcnt -= uint(e)
		if back > op-reach {
			far = back
			break
		}
		bitbuf |= binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(in, ip))[:]) << (bitcnt & 63)
		ip += int(63-bitcnt&63) >> 3
		bitcnt |= 56
		e = lit[bitbuf&(1<<litRoot-1)]

		src := op - back
		end := op + length
		switch {
		case back >= 16:
			for {
				*(*[16]byte)(unsafe.Add(out, op)) = *(*[16]byte)(unsafe.Add(out, src))
				op += 16
				src += 16
				if op >= end {
					op = end
					continue loop
				}
			}
		case back == 1:
			c := uint64(*(*byte)(unsafe.Add(out, src))) * 0x0101010101010101
			for ; op < end; op += 8 {
				binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(out, op))[:], c)
			}
		default:
			for ; op < end; op++ {
				*(*byte)(unsafe.Add(out, op)) = *(*byte)(unsafe.Add(out, src))
				src++
			}
		}
		op = end
	}
	z.ip, z.op, z.bitbuf, z.bitcnt = ip, op, bitbuf, bitcnt&63
	if fault != "" {
		z.fail(fault, nil)
	}
	if far > 0 {
		z.tooFar(far, op)
	}
}
