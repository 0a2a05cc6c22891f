// SPDX-License-Identifier: Apache-2.0

package inflate

import "fmt"

// Reserves of the fast loop: one round takes at most three refills, 24 bytes of
// input, and writes three literals and a match.
const (
	fastInput  = 32
	fastOutput = 3
)

// symbols decodes literals and matches until the block of output is full, the
// deflate block ends or the input does.
func (z *Reader) symbols() {
	for z.err == nil && z.state == inSymbols && z.op < z.limit {
		if z.more(fastInput); z.end-z.ip >= fastInput && z.limit-z.op > fastOutput {
			z.fast()
			continue
		}
		z.careful()
	}
}

// careful decodes one symbol, and a distance with it, from whatever bits there
// are.
func (z *Reader) careful() {
	z.need(20)
	e := z.lit[z.bitbuf&(1<<litRoot-1)]
	skip := uint(0)
	if e&link != 0 {
		skip = litRoot
		e = z.lit[(e>>16&0x7fff+entry(z.bitbuf>>litRoot)&(1<<(e>>8&15)-1))&(litSize-1)]
	}
	n := skip + uint(e&63)
	if n > z.bits() {
		z.cut("the rest of a deflate block")
		return
	}
	switch {
	case e&literal != 0:
		z.take(n)
		z.out[z.op] = byte(e >> 16)
		z.op++
		return
	case e&endBlock != 0:
		z.take(n)
		z.endBlock()
		return
	case e&special != 0:
		z.fail("found bits that are no literal or length code", nil)
		return
	}
	clen := skip + uint(e>>8&15)
	length := int(e>>16) + int(z.take(n)>>clen)
	z.need(28)
	e = z.dist[z.bitbuf&(1<<distRoot-1)]
	skip = 0
	if e&link != 0 {
		skip = distRoot
		e = z.dist[(e>>16&0x7fff+entry(z.bitbuf>>distRoot)&(1<<(e>>8&15)-1))&(distSize-1)]
	}
	n = skip + uint(e&63)
	if n > z.bits() {
		z.cut("a distance")
		return
	}
	if e&special != 0 {
		z.fail("found bits that are no distance code", nil)
		return
	}
	clen = skip + uint(e>>8&15)
	dist := int(e>>16) + int(z.take(n)>>clen)
	if dist > z.op-z.reach {
		z.tooFar(dist, z.op)
		return
	}
	z.op = copyMatch(z.out, z.op, dist, length)
}

func (z *Reader) tooFar(dist, op int) {
	z.fail(fmt.Sprintf("found a match %d bytes back with %d bytes before it", dist, op-z.reach), nil)
}

// copyMatch repeats length bytes from dist back at out[op:] and returns the end.
func copyMatch(out []byte, op, dist, length int) int {
	end := op + length
	for op < end {
		n := copy(out[op:end], out[op-dist:op])
		op += n
	}
	return end
}
