// SPDX-License-Identifier: Apache-2.0

package inflate

import "math/bits"

// A table entry describes what a run of input bits stands for:
//
//	bits 0–7    input bits to consume: the code and, for lengths and distances,
//	            the extra bits behind it
//	bits 8–11   length of the code alone; in a link, the sub-table's index bits
//	bits 16–30  literal, base length, base distance, or start of the sub-table
//	bit 31      literal
//	bit 15      special: a link, the end of the block, or no code
type entry = uint32

const (
	literal  entry = 1 << 31
	special  entry = 1 << 15
	link     entry = 1 << 14
	endBlock entry = 1 << 13
	noCode   entry = special

	litRoot  = 11
	distRoot = 8
	maxCode  = 15

	// Sizes are powers of two above the largest table a complete code of 288
	// (32) symbols can make, 2342 (402) entries, so that a masked index needs
	// no bounds check.
	litSize  = 4096
	distSize = 512
)

type (
	litTable  [litSize]entry
	distTable [distSize]entry
)

// litBase and distBase are the entries of each symbol before the length of its
// code is added to both counts.
var (
	litBase   [288]entry
	distBase  [32]entry
	clenBase  [19]entry
	fixedLit  litTable
	fixedDist distTable
)

func init() {
	for i := range 256 {
		litBase[i] = literal | entry(i)<<16
	}
	litBase[256] = special | endBlock
	base, extra := 3, 0
	for i := 257; i < 285; i++ {
		litBase[i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
		if i >= 264 && i&3 == 0 {
			extra++
		}
	}
	litBase[285] = 258 << 16
	litBase[286], litBase[287] = noCode, noCode
	base, extra = 1, 0
	for i := range 30 {
		distBase[i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
		if i >= 3 && i&1 == 1 {
			extra++
		}
	}
	distBase[30], distBase[31] = noCode, noCode
	for i := range clenBase {
		clenBase[i] = entry(i) << 16
	}
	var lens [288]uint8
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	build(fixedLit[:], litRoot, lens[:], litBase[:])
	for i := range 32 {
		lens[i] = 5
	}
	build(fixedDist[:], distRoot, lens[:32], distBase[:])
}

// build fills table from the code lengths of an alphabet; base holds its
// symbols' entries. It reports false for a set of lengths that is no complete
// prefix code; a single code of one bit and no code at all are allowed, as in
// zlib.
//
// Codes are taken in the order of their length and the table is doubled with
// each further bit, so that each code is stored once and spread by copying.
func build(table []entry, root int, lens []uint8, base []entry) bool {
	var count [maxCode + 1]int
	for _, n := range lens {
		count[n]++
	}
	longest := maxCode
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	var next [maxCode + 1]int
	space := 1
	for n := 1; n <= longest; n++ {
		if n > 1 {
			next[n] = next[n-1] + count[n-1]
		}
		space = space<<1 - count[n]
		if space < 0 {
			return false
		}
	}
	if space > 0 {
		return sparse(table, root, lens, base, longest, count[1])
	}
	var order [288]uint16
	for sym, n := range lens {
		if n != 0 {
			order[next[n]] = uint16(sym)
			next[n]++
		}
	}
	b := builder{table: table, root: root, base: base, count: &count, longest: longest}
	b.fill(order[:next[longest]])
	return true
}

// sparse is build for no code, or a single one of one bit.
func sparse(table []entry, root int, lens []uint8, base []entry, longest, ones int) bool {
	if longest > 1 || ones > 1 {
		return false
	}
	for i := range table[:1<<root] {
		table[i] = noCode | 1
	}
	for sym, n := range lens {
		if n != 1 {
			continue
		}
		for i := 0; i < 1<<root; i += 2 {
			table[i] = withCode(base[sym], 1)
		}
	}
	return true
}

// withCode adds the length of a symbol's code to its entry.
func withCode(e entry, n int) entry { return e + entry(n) + entry(n)<<8 }

type builder struct {
	table   []entry
	root    int
	base    []entry
	count   *[maxCode + 1]int
	longest int
}

// fill stores the codes of the symbols in order of code length. Codes are kept
// with their first bit lowest, as the input has them.
func (b *builder) fill(order []uint16) {
	code := 0
	size := 1
	n := 0
	b.table[0] = noCode
	for n < b.root && n < b.longest {
		n++
		copy(b.table[size:2*size], b.table[:size])
		size *= 2
		for range b.count[n] {
			b.table[code] = withCode(b.base[order[0]], n)
			order = order[1:]
			code = increment(code, n)
		}
	}
	for ; size < 1<<b.root; size *= 2 {
		copy(b.table[size:2*size], b.table[:size])
	}
	if b.longest > b.root {
		b.fillLinked(order, code)
	}
}

// fillLinked stores the codes longer than the root, each group with equal first
// bits in a sub-table of its own.
func (b *builder) fillLinked(order []uint16, code int) {
	end := 1 << b.root // of the tables so far
	start, width, prefix := 0, 0, -1
	left := *b.count
	for n := b.root + 1; n <= b.longest; n++ {
		for ; left[n] > 0; left[n]-- {
			if head := code & (1<<b.root - 1); head != prefix {
				prefix, start = head, end
				width = groupWidth(&left, n, b.root)
				end += 1 << width
				b.table[head] = special | link | entry(start)<<16 | entry(width)<<8 | entry(b.root)
			}
			e := withCode(b.base[order[0]], n-b.root)
			order = order[1:]
			for i := start + code>>b.root; i < end; i += 1 << (n - b.root) {
				b.table[i] = e
			}
			code = increment(code, n)
		}
	}
}

// groupWidth returns the index bits of the sub-table whose first code has n
// bits: the fewest that hold a complete sub-tree of the codes left.
func groupWidth(left *[maxCode + 1]int, n, root int) int {
	width := n - root
	space := 1<<width - left[n]
	for space > 0 {
		width++
		space = space<<1 - left[root+width]
	}
	return width
}

// increment returns the code that follows among codes of n bits, first bit
// lowest.
func increment(code, n int) int {
	rest := code ^ (1<<n - 1) // zeros of the code
	if rest == 0 {
		return code
	}
	bit := 1 << (bits.Len(uint(rest)) - 1)
	return code&(bit-1) | bit
}
