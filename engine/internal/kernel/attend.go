// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"math"
	"unsafe"
)

// attend is one Attend under way.
type attend struct {
	Attention
	t          *table
	out, q     Mat
	k, v       Mat
	ratio      int // query heads a key-value head
	runs       []keyRun
	tiles      []queryTile
	panels     int       // packed key panels of all runs
	kv         []float32 // per head: key panels, value panels
	local      []float32 // per worker: queries, scores, output
	own, share []int     // per segment: index of its run, -1 = none
}

// keyRun is a row of keys that is packed as a unit: a prefix or a segment's
// own keys. Its panels start at a key of its own, whatever lies before.
type keyRun struct {
	k, v        Mat
	from, n     int
	panel       int // first panel
	panelsOfRun int
}

// queryTile is up to queryRows rows of a segment; row r is head r%ratio of
// token r/ratio.
type queryTile struct{ segment, row, rows int }

// plan lists the runs to pack, each once, and the query tiles.
func (a *attend) plan(sharedIsOwn bool) {
	type key struct {
		shared  bool
		from, n int
	}
	seen := make(map[key]int)
	run := func(shared bool, from, n int) int {
		if n == 0 {
			return -1
		}
		id := key{shared && !sharedIsOwn, from, n}
		i, ok := seen[id]
		if !ok {
			i = len(a.runs)
			seen[id] = i
			r := keyRun{k: a.k, v: a.v, from: from, n: n, panel: a.panels, panelsOfRun: panels(n)}
			if id.shared {
				r.k, r.v = a.SharedK, a.SharedV
			}
			a.runs = append(a.runs, r)
			a.panels += r.panelsOfRun
		}
		return i
	}
	for i, s := range a.Segments {
		if s.Len == 0 {
			a.share, a.own = append(a.share, -1), append(a.own, -1)
			continue
		}
		a.share = append(a.share, run(true, s.SharedFrom, s.Shared))
		a.own = append(a.own, run(false, s.Key, s.Past+s.Len))
		for r := 0; r < s.Len*a.ratio; r += queryRows {
			a.tiles = append(a.tiles, queryTile{i, r, min(queryRows, s.Len*a.ratio-r)})
		}
	}
}

func (a *attend) keySize() int   { return padK(a.HeadDim) * panelN } // floats of a key panel
func (a *attend) valuePans() int { return panels(a.HeadDim) }

func (a *attend) perHead() int {
	return a.panels * (a.keySize() + a.valuePans()*panelN*panelN)
}

// keyPanel returns panel p of the keys of packed head h.
func (a *attend) keyPanel(h, p int) []float32 {
	return a.kv[h*a.perHead()+p*a.keySize():][:a.keySize()]
}

// values returns, for packed head h, value columns [32·d, 32·d+32) from key 0
// of panel p on.
func (a *attend) values(h, d, p int) []float32 {
	return a.kv[h*a.perHead()+a.panels*a.keySize()+(d*a.panels+p)*panelN*panelN:]
}

// pack packs a run of key-value head src as head h.
func (a *attend) pack(r keyRun, h, src int) {
	col := src * a.HeadDim
	for p := range r.panelsOfRun {
		var rows [panelN]unsafe.Pointer
		n := min(panelN, r.n-p*panelN)
		for i := range n {
			rows[i] = unsafe.Pointer(r.k.at(r.from+p*panelN+i, col))
		}
		dst := a.keyPanel(h, r.panel+p)
		a.t.packPanel[F32](unsafe.Pointer(&dst[0]), &rows, a.HeadDim)
		clear(dst[a.HeadDim*panelN:])
		for d := range a.valuePans() {
			c := min(panelN, a.HeadDim-d*panelN)
			dst := a.values(h, d, r.panel+p)[:panelN*panelN]
			for i := range n {
				o := (r.from+p*panelN+i)*r.v.Stride + col + d*panelN
				row := dst[i*panelN : (i+1)*panelN]
				clear(row[copy(row, r.v.Data[o:o+c]):])
			}
			clear(dst[n*panelN:])
		}
	}
}

// softmaxState is the running softmax of a tile's rows.
type softmaxState struct {
	max, sum [queryRows]float32
}

// tile computes a query tile against all keys that it sees.
func (a *attend) tile(qt queryTile, h, kvHead, w int) {
	local := a.local[w*attendLocal : (w+1)*attendLocal]
	q, s, o := local[:queryRows*aStride], local[queryRows*aStride:2*queryRows*aStride], local[2*queryRows*aStride:]
	seg := a.Segments[qt.segment]
	for r := range qt.rows {
		t, g := (qt.row+r)/a.ratio, (qt.row+r)%a.ratio
		src := a.q.at(seg.Row+t, (kvHead*a.ratio+g)*a.HeadDim)
		row := q[r*aStride : (r+1)*aStride]
		a.t.scale(&row[0], src, a.HeadDim, a.Scale)
		clear(row[a.HeadDim:padK(a.HeadDim)])
		clear(o[r*aStride : r*aStride+a.valuePans()*panelN])
	}
	var st softmaxState
	for r := range st.max {
		st.max[r] = -math.MaxFloat32
	}
	if i := a.share[qt.segment]; i >= 0 {
		a.source(qt, seg, a.runs[i], h, 0, &st, q, s, o)
	}
	a.source(qt, seg, a.runs[a.own[qt.segment]], h, seg.Shared, &st, q, s, o)
	for r := range qt.rows {
		t, g := (qt.row+r)/a.ratio, (qt.row+r)%a.ratio
		dst := a.out.at(seg.Row+t, (kvHead*a.ratio+g)*a.HeadDim)
		a.t.scale(dst, &o[r*aStride], a.HeadDim, 1/st.sum[r])
	}
}

// source adds the keys of one run, the first of which is at position pos.
func (a *attend) source(qt queryTile, seg Segment, run keyRun, h, pos int, st *softmaxState, q, s, o []float32) {
	first := seg.Shared + seg.Past + qt.row/a.ratio            // position of the first row's token
	last := seg.Shared + seg.Past + (qt.row+qt.rows-1)/a.ratio // of the last row's
	end := min(run.n, last+1-pos)                              // keys that some row sees
	for k0 := 0; k0 < end; k0 += keyBlock {
		nk := min(keyBlock, end-k0)
		if a.Window > 0 && pos+k0+nk-1 <= first-a.Window {
			continue // the window has left this block behind
		}
		panel := run.panel + k0/panelN
		n := panels(nk)
		for j := range n {
			b := unsafe.Pointer(&a.keyPanel(h, panel+j)[0])
			for r := 0; r < qt.rows; r += tileM {
				a.t.micro[F32](min(tileM, qt.rows-r), &q[r*aStride], b,
					&s[r*aStride+j*panelN], aStride, padK(a.HeadDim), false)
			}
		}
		for r := range qt.rows {
			at := seg.Shared + seg.Past + (qt.row+r)/a.ratio
			lo := 0
			if a.Window > 0 {
				lo = max(0, at-a.Window+1-pos-k0)
			}
			hi := min(nk, at+1-pos-k0)
			a.softmaxRow(st, r, s[r*aStride:r*aStride+n*panelN], o[r*aStride:], lo, hi)
		}
		for d := range a.valuePans() {
			b := unsafe.Pointer(&a.values(h, d, panel)[0])
			for r := 0; r < qt.rows; r += tileM {
				a.t.micro[F32](min(tileM, qt.rows-r), &s[r*aStride], b,
					&o[r*aStride+d*panelN], aStride, padK(nk), true)
			}
		}
	}
}

// softmaxRow turns row r's scores of one key block into weights relative to
// the running maximum; keys outside [lo, hi) get weight 0. The sum of a row is
// the same however many zeros follow its last key.
func (a *attend) softmaxRow(st *softmaxState, r int, s, o []float32, lo, hi int) {
	if lo >= hi {
		clear(s)
		return
	}
	if a.Softcap > 0 {
		a.t.softcap(&s[lo], &s[lo], hi-lo, a.Softcap)
	}
	inf := float32(math.Inf(-1))
	for i := range s[:lo] {
		s[i] = inf
	}
	for i := hi; i < len(s); i++ {
		s[i] = inf
	}
	if m := a.t.maxOf(&s[0], len(s)); m > st.max[r] {
		c := float32(math.Exp(float64(st.max[r]) - float64(m)))
		a.t.scale(&o[0], &o[0], a.valuePans()*panelN, c)
		st.sum[r] *= c
		st.max[r] = m
	}
	st.sum[r] += a.t.expSum(&s[0], &s[0], len(s), st.max[r])
}
