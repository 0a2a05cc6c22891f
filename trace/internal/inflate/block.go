// SPDX-License-Identifier: Apache-2.0

package inflate

import "fmt"

// clenOrder is the order in which the lengths of the code-length code are sent.
var clenOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// blockHeader reads the header of a deflate block, its tables included.
func (z *Reader) blockHeader() {
	if !z.need(3) {
		z.cut("a deflate block")
		return
	}
	z.last = z.take(1) == 1
	switch kind := z.take(2); kind {
	case 0:
		z.storedHeader()
	case 1:
		z.lit, z.dist = &fixedLit, &fixedDist
		z.state = inSymbols
	case 2:
		z.dynamicHeader()
	default:
		z.fail("found deflate block type 3, wanted 0 to 2", nil)
	}
}

func (z *Reader) storedHeader() {
	z.align()
	p := z.bytes(4, "the length of a stored block")
	if p == nil {
		return
	}
	n, inverse := int(p[0])|int(p[1])<<8, int(p[2])|int(p[3])<<8
	if n != inverse^0xffff {
		z.ip -= 4
		z.fail(fmt.Sprintf("found stored block length %#04x with complement %#04x", n, inverse), nil)
		return
	}
	z.stored = n
	z.state = inStored
}

func (z *Reader) dynamicHeader() {
	if !z.need(14) {
		z.cut("the tables of a deflate block")
		return
	}
	nlit, ndist, nclen := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if nlit > 286 {
		z.fail(fmt.Sprintf("found %d literal and length codes, wanted at most 286", nlit), nil)
		return
	}
	var clens [19]uint8
	for _, i := range clenOrder[:nclen] {
		if !z.need(3) {
			z.cut("the tables of a deflate block")
			return
		}
		clens[i] = uint8(z.take(3))
	}
	var lens [286 + 32]uint8
	if !z.codeLengths(lens[:nlit+ndist], &clens) {
		return
	}
	if !build(z.dynLit[:], litRoot, lens[:nlit], litBase[:]) {
		z.fail("found a literal and length code that is no prefix code", nil)
		return
	}
	if !build(z.dynDst[:], distRoot, lens[nlit:nlit+ndist], distBase[:]) {
		z.fail("found a distance code that is no prefix code", nil)
		return
	}
	z.lit, z.dist = &z.dynLit, &z.dynDst
	z.state = inSymbols
}

// codeLengths reads lens in their run-length form.
func (z *Reader) codeLengths(lens []uint8, clens *[19]uint8) bool {
	var table [1 << 7]entry
	if !build(table[:], 7, clens[:], clenBase[:]) {
		z.fail("found a code-length code that is no prefix code", nil)
		return false
	}
	for i := 0; i < len(lens); {
		z.need(14) // a code and its extra bits; fewer may do at the end
		e := table[z.bitbuf&(1<<7-1)]
		n := uint(e & 15)
		if e&special != 0 && z.bits() >= 1 {
			z.fail("found bits that are no code length", nil)
			return false
		}
		sym := uint8(e >> 16)
		extra := [3]uint{2, 3, 7}
		var x uint
		if sym >= 16 {
			x = extra[sym-16]
		}
		if n+x > z.bits() {
			z.cut("the tables of a deflate block")
			return false
		}
		z.take(n)
		if sym < 16 {
			lens[i] = sym
			i++
			continue
		}
		run, length := int(z.take(x)), uint8(0)
		switch sym {
		case 16:
			if i == 0 {
				z.fail("found a repeated code length before the first one", nil)
				return false
			}
			run, length = run+3, lens[i-1]
		case 17:
			run += 3
		case 18:
			run += 11
		}
		if run > len(lens)-i {
			z.fail("found more code lengths than codes", nil)
			return false
		}
		for range run {
			lens[i] = length
			i++
		}
	}
	return true
}
