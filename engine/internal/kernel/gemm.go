// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"unsafe"
)

const (
	aStride     = BlockK          // floats between the rows of a packed A tile
	tileSize    = tileM * aStride // floats of a packed A tile
	maxTiles    = 43              // tiles of A packed at a time: 516 rows, 516 KB a K block, half of an L2
	maxGroup    = 4               // panels of one task: A's K block is read from L2 that often
	streamTiles = 2               // up to here B is read in the order of memory
	serialOps   = 200_000         // below this many operations a second core costs more than it gives
)

// Mul sets c = a·bᵀ: c[i,j] = Σₖ a[i,k]·w[j,k] with w the packed weights, so c
// is [a.Rows, b.N]. The order of summation is fixed (see the package comment).
func Mul(c, a Mat, b *PackedMatrix) { multiply(c, a, b, false) }

// MulAdd adds the product to c: c += a·bᵀ, one K block after the other.
func MulAdd(c, a Mat, b *PackedMatrix) { multiply(c, a, b, true) }

// MulMat sets c = a·b for matrices that are not packed (b is [K, N]); b is
// packed on the way, so weights should use Pack and Mul.
func MulMat(c, a, b Mat) { mulUnpacked(c, a, b, b.Cols, b.Rows, PackMat) }

// MulTransposed sets c = a·bᵀ for matrices that are not packed (b is [N, K]).
func MulTransposed(c, a, b Mat) { mulUnpacked(c, a, b, b.Rows, b.Cols, PackTransposed) }

func mulUnpacked(c, a, b Mat, n, k int, pack func([]byte, Mat) *PackedMatrix) {
	size := PackedBytes(F32, n, k)
	if size == 0 {
		multiply(c, a, &PackedMatrix{N: n, K: k}, false)
		return
	}
	buf := scratch.take(size / 4)
	defer scratch.give(buf)
	multiply(c, a, pack(unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), size), b), false)
}

// product is one c (+)= a·bᵀ under way.
type product struct {
	t    *table
	c, a Mat
	b    *PackedMatrix
	add  bool

	packed []float32 // A: [K block][tile][12 rows][256]
	tiles  int       // of this chunk
	blocks int       // K blocks
	group  int       // panels a task
	split  int       // tiles a task
	local  []float32 // per worker: a widened panel, an edge tile
}

// localSize is a worker's private memory.
const localSize = BlockK*panelN + tileM*panelN

func multiply(c, a Mat, b *PackedMatrix, add bool) {
	c.check("product: c")
	a.check("product: a")
	if a.Cols != b.K || c.Rows != a.Rows || c.Cols != b.N {
		panic(fmt.Sprintf("kernel: product: c %s, a %s, b [%d,%d]", c.shape(), a.shape(), b.N, b.K))
	}
	if c.empty() {
		return
	}
	if b.K == 0 {
		if !add {
			zero(c)
		}
		return
	}
	nw := Workers()
	if 2*a.Rows*b.N*b.K < serialOps {
		nw = 1
	}
	p := product{t: active.Load(), c: c, a: a, b: b, add: add, blocks: (b.K + BlockK - 1) / BlockK}
	tiles := (a.Rows + tileM - 1) / tileM
	chunks := (tiles + maxTiles - 1) / maxTiles
	chunk := (tiles + chunks - 1) / chunks
	size := p.blocks * chunk * tileSize
	buf := scratch.take(size + nw*localSize)
	defer scratch.give(buf)
	p.packed, p.local = buf[:size], buf[size:]
	for t0 := 0; t0 < tiles; t0 += chunk {
		p.chunk(t0, min(chunk, tiles-t0), nw)
	}
}

// chunk multiplies tiles [t0, t0+n) of A by all of B.
func (p *product) chunk(t0, n, nw int) {
	r0 := t0 * tileM
	r1 := min(r0+n*tileM, p.a.Rows)
	q := *p
	q.a, q.c, q.tiles = p.a.RowRange(r0, r1), p.c.RowRange(r0, r1), n

	packers := nw
	if (r1-r0)*p.b.K < 1<<15 {
		packers = 1 // a small A is copied faster than a worker answers
	}
	parallel(packers, n*q.blocks, func(i, _ int) { q.packA(i%n, i/n) })

	np := panels(p.b.N)
	q.group = min(max(np/(4*nw), 1), maxGroup)
	groups := (np + q.group - 1) / q.group
	q.split = n
	if nw > 1 && groups < 4*nw { // few columns: cut the rows, too
		q.split = max(1, n*groups/(4*nw))
	}
	splits := (n + q.split - 1) / q.split
	parallel(nw, groups*splits, func(i, w int) { q.task(i/splits, i%splits, w) })
}

// packA copies one K block of one tile to its place. Rows past the last are
// left as they are: micro-kernels compute exactly the rows asked for.
func (p *product) packA(tile, block int) {
	k0 := block * BlockK
	kc := min(BlockK, p.b.K-k0)
	dst := p.packed[(block*p.tiles+tile)*tileSize:]
	for r := range min(tileM, p.a.Rows-tile*tileM) {
		o := (tile*tileM+r)*p.a.Stride + k0
		d := dst[r*aStride : r*aStride+padK(kc)]
		clear(d[copy(d, p.a.Data[o:o+kc]):])
	}
}

// task computes a group of panels for a range of tiles: K block by K block, so
// that A's block stays in L2 and B's panel in L1, or, when all of A fits in L2
// and the time goes into reading B, panel by panel, as B lies in memory.
func (p *product) task(group, split, w int) {
	t0 := split * p.split
	t1 := min(t0+p.split, p.tiles)
	n0 := group * p.group
	n1 := min(n0+p.group, panels(p.b.N))
	local := p.local[w*localSize : (w+1)*localSize]
	if t1-t0 <= streamTiles {
		for n := n0; n < n1; n++ {
			for block := range p.blocks {
				p.panel(block, n, t0, t1, local)
			}
		}
		return
	}
	for block := range p.blocks {
		for n := n0; n < n1; n++ {
			p.panel(block, n, t0, t1, local)
		}
	}
}

// panel multiplies tiles [t0, t1) by one K block of one panel.
func (p *product) panel(block, n, t0, t1 int, local []float32) {
	k0 := block * BlockK
	kc := min(BlockK, padK(p.b.K)-k0)
	typ := p.b.Type
	b := unsafe.Pointer(&p.b.data[n*p.b.panelBytes()+k0*panelN*typ.Size()])
	// Widening once pays from the third tile on; up to there the
	// micro-kernel widens as it reads.
	if typ != F32 && (t1-t0 > 2 || p.t.micro[typ] == nil) {
		p.t.widenPanel[typ](&local[0], b, kc)
		b, typ = unsafe.Pointer(&local[0]), F32
	}
	micro := p.t.micro[typ]
	add := p.add || block > 0
	cols := min(panelN, p.c.Cols-n*panelN)
	edge := local[BlockK*panelN:]
	for t := t0; t < t1; t++ {
		a := &p.packed[(block*p.tiles+t)*tileSize]
		rows := min(tileM, p.c.Rows-t*tileM)
		c := p.c.at(t*tileM, n*panelN)
		if cols == panelN {
			micro(rows, a, b, c, p.c.Stride, kc, add)
			continue
		}
		micro(rows, a, b, &edge[0], panelN, kc, false)
		for r := range rows {
			o := (t*tileM+r)*p.c.Stride + n*panelN
			store(p.c.Data[o:o+cols], edge[r*panelN:], add)
		}
	}
}

// store copies or adds an edge tile's row.
func store(dst, src []float32, add bool) {
	if !add {
		copy(dst, src)
		return
	}
	for i := range dst {
		dst[i] += src[i]
	}
}

func zero(m Mat) {
	for i := range m.Rows {
		clear(m.Row(i))
	}
}
