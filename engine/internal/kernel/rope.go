// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"unsafe"
)

// RoPE rotates heads in place: row r of x holds heads of headDim values each,
// at position pos[r]. cos and sin are [positions, headDim/2]; pair (i,
// i+headDim/2) of a head is turned by angle i of its position's row (the
// half-split form of Hugging Face models; checkpoints that pair neighbours
// must permute their q and k weights once). Columns of x past heads·headDim
// stay as they are.
func RoPE(x Mat, heads, headDim int, cos, sin Mat, pos []int32) {
	x.check("RoPE: x")
	sameShape("RoPE: cos and sin", cos, sin)
	half := headDim / 2
	if headDim%2 != 0 || heads*headDim > x.Cols || cos.Cols != half || len(pos) != x.Rows {
		panic(fmt.Sprintf("kernel: RoPE: x %s, %d heads of %d, cos %s, %d positions",
			x.shape(), heads, headDim, cos.shape(), len(pos)))
	}
	if x.empty() || half == 0 {
		return
	}
	for r, p := range pos {
		if p < 0 || int(p) >= cos.Rows {
			panic(fmt.Sprintf("kernel: RoPE: row %d is at position %d, the tables hold %d", r, p, cos.Rows))
		}
	}
	t := active.Load()
	eachRows(x.Rows, heads*headDim, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			c, s := cos.at(int(pos[r]), 0), sin.at(int(pos[r]), 0)
			for h := range heads {
				t.rotate(x.at(r, h*headDim), x.at(r, h*headDim+half), c, s, half)
			}
		}
	})
}

// Gather sets row i of dst to row ids[i] of the table, widened: the embedding.
func Gather(dst Mat, table Tensor, ids []int32) {
	dst.check("Gather: dst")
	table.check("Gather: table")
	if dst.Rows != len(ids) || dst.Cols != table.Cols {
		panic(fmt.Sprintf("kernel: Gather: %d rows of a [%d,%d] table into %s",
			len(ids), table.Rows, table.Cols, dst.shape()))
	}
	for i, id := range ids {
		if id < 0 || int(id) >= table.Rows {
			panic(fmt.Sprintf("kernel: Gather: id %d at %d, the table has %d rows", id, i, table.Rows))
		}
	}
	if dst.empty() {
		return
	}
	rowBytes := table.Cols * table.Type.Size()
	widen := active.Load().widen[table.Type]
	eachRows(dst.Rows, dst.Cols, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			widen(dst.at(r, 0), unsafe.Pointer(&table.Data[int(ids[r])*rowBytes]), dst.Cols)
		}
	})
}

// Widen turns the first len(dst) values of src into float32. 16-bit types
// widen exactly.
func Widen(dst []float32, typ DType, src []byte) {
	Tensor{Type: typ, Data: src, Rows: 1, Cols: len(dst)}.check("Widen")
	if len(dst) > 0 {
		active.Load().widen[typ](&dst[0], unsafe.Pointer(&src[0]), len(dst))
	}
}
