// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// randomModel makes tensors from a seed as they are asked for, and keeps them.
// A tensor's values depend on its name and shape, its type and the seed only.
type randomModel struct {
	spec   string
	dtype  DType
	seed   uint64
	onePls bool // norms multiply by 1 + weight
	shapes map[string][]int

	mu     sync.Mutex
	made   map[string][]byte
	pages  [][]byte
	closed bool
}

func newRandom(spec string, c Config, dtype DType, seed uint64) (*Model, error) {
	src := &randomModel{spec: spec, dtype: dtype, seed: seed, onePls: c.NormPlusOne, shapes: map[string][]int{}, made: map[string][]byte{}}
	for _, s := range c.Specs() {
		src.shapes[s.Name] = s.Shape
	}
	m, err := newModel(c, spec, src, sameName)
	if err != nil {
		return nil, err
	}
	m.random = true
	return m, nil
}

func (r *randomModel) Names() []string { return slices.Sorted(maps.Keys(r.shapes)) }

func (r *randomModel) info(name string) (DType, []int, bool) {
	shape, ok := r.shapes[name]
	return r.dtype, shape, ok
}

func (r *randomModel) where(string) string { return r.spec }

func (r *randomModel) Tensor(name string) (Tensor, error) {
	shape, ok := r.shapes[name]
	if !ok {
		return Tensor{}, fmt.Errorf("%s: no tensor %q", r.spec, name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return Tensor{}, fmt.Errorf("%s: tensor %q: %w", r.spec, name, errClosed)
	}
	raw := r.made[name]
	if raw == nil {
		n, _ := elements(shape)
		var err error
		if raw, err = r.memory(n * int64(r.dtype.Size())); err != nil {
			return Tensor{}, fmt.Errorf("%s: tensor %q of shape %d: %w", r.spec, name, shape, err)
		}
		fill(raw, r.dtype, r.noise(name, shape))
		r.made[name] = raw
	}
	return Tensor{Name: name, DType: r.dtype, Shape: slices.Clone(shape), Raw: raw}, nil
}

// memory returns zeroed bytes, large ones outside the Go heap so that the
// weights do not delay the collector's next cycle.
func (r *randomModel) memory(n int64) ([]byte, error) {
	if n < 1<<20 {
		return alignedBytes(n), nil
	}
	if int64(int(n)) != n {
		return nil, fmt.Errorf("%d bytes do not fit this machine's addresses", n)
	}
	raw, err := mapZero(int(n))
	if err != nil {
		return nil, fmt.Errorf("%d bytes: %w", n, err)
	}
	r.pages = append(r.pages, raw)
	return raw, nil
}

func (r *randomModel) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.made = true, nil
	var err error
	for _, p := range r.pages {
		if e := unmap(p); err == nil {
			err = e
		}
	}
	r.pages = nil
	return err
}

// noise is a uniform distribution around a centre, and the state it starts
// from.
type noise struct {
	centre, width float32
	state         uint64
}

// noise chooses the distribution of a tensor: standard deviation 1/√inputs for
// matrices, so that activations keep their size, and a tenth around one for
// norms, around zero for biases.
func (r *randomModel) noise(name string, shape []int) noise {
	h := fnv.New64a()
	h.Write([]byte(name))
	n := noise{state: mix(h.Sum64() ^ mix(r.seed))}
	switch {
	case len(shape) == 2:
		n.width = float32(math.Sqrt(3 / float64(shape[1])))
	case strings.HasSuffix(name, "norm.weight") && !r.onePls:
		n.centre, n.width = 1, 0.1
	default:
		n.width = 0.1
	}
	return n
}

// mix is the finalizer of splitmix64 (Steele, Lea, Flood 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

const golden = 0x9E3779B97F4A7C15

// word is the i-th number of the sequence; any part of it can be made alone.
func (n noise) word(i int) uint64 { return mix(n.state + uint64(i)*golden) }

// value maps 16 random bits to the distribution. Products and sums are rounded
// one by one, so every machine makes the same values.
func (n noise) value(bits uint16) float32 {
	u := (float32(int32(bits)-32768) + 0.5) / 32768
	return n.centre + float32(u*n.width)
}

// blockWords is how many words a worker takes at a time.
const blockWords = 1 << 16

// fill writes the tensor: a word gives four elements.
//
// Note: 2-byte types go through a table of the 65,536 values: 0.8 ns an element
// on two cores, where converting each took 5 to 8.
func fill(raw []byte, dtype DType, n noise) {
	words := (len(raw)/dtype.Size() + 3) / 4
	var table []uint16
	if dtype != F32 && words > 1<<14 {
		table = make([]uint16, 1<<16)
		for i := range table {
			table[i] = narrow(n.value(uint16(i)), dtype)
		}
	}
	workers := min(runtime.GOMAXPROCS(0), (words+blockWords-1)/blockWords)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for first := w * blockWords; first < words; first += workers * blockWords {
				fillWords(raw, dtype, n, table, first, min(first+blockWords, words))
			}
		})
	}
	wg.Wait()
}

func fillWords(raw []byte, dtype DType, n noise, table []uint16, first, end int) {
	size := dtype.Size()
	for i := first; i < end; i++ {
		w := n.word(i)
		out := raw[4*size*i:]
		if len(table) > 0 && len(out) >= 8 {
			v := uint64(table[w&0xFFFF]) | uint64(table[w>>16&0xFFFF])<<16 |
				uint64(table[w>>32&0xFFFF])<<32 | uint64(table[w>>48])<<48
			binary.LittleEndian.PutUint64(out, v)
			continue
		}
		for k := 0; k < 4 && len(out) > 0; k++ {
			v := n.value(uint16(w >> (16 * k)))
			if size == 4 {
				binary.LittleEndian.PutUint32(out, math.Float32bits(v))
			} else {
				binary.LittleEndian.PutUint16(out, narrow(v, dtype))
			}
			out = out[size:]
		}
	}
}

func narrow(f float32, dtype DType) uint16 {
	if dtype == F16 {
		return toFloat16(f)
	}
	return toBFloat16(f)
}
