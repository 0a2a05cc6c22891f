// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"math"
	"testing"
)

// plain runs a Llama decoder a token at a time, in the plainest way, to show
// that the tensors are what their roles say.
type plain struct {
	c            *Config
	embed, final []float32
	layers       []plainLayer
	pos          int
}

type plainLayer struct {
	inNorm, q, k, v, o, mlpNorm, gate, up, down []float32
	keys, values                                [][]float32
}

func newPlain(t *testing.T, m *Model) *plain {
	t.Helper()
	values := func(ts Tensor, err error) []float32 {
		if err != nil {
			t.Fatal(err)
		}
		return ts.AppendFloat32(nil)
	}
	p := &plain{c: m.Config(), embed: values(m.LMHead()), final: values(m.FinalNorm())}
	for i := range m.Config().Layers {
		l, err := m.Layer(i)
		get := func(ts Tensor) []float32 { return values(ts, err) }
		p.layers = append(p.layers, plainLayer{
			inNorm: get(l.InputNorm), q: get(l.Q), k: get(l.K), v: get(l.V), o: get(l.O),
			mlpNorm: get(l.MLPNorm), gate: get(l.Gate), up: get(l.Up), down: get(l.Down),
		})
	}
	return p
}

func (p *plain) norm(x, w []float32) []float32 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	scale := 1 / math.Sqrt(sum/float64(len(x))+p.c.NormEps)
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(float64(v)*scale) * w[i]
	}
	return out
}

func matvec(w, x []float32) []float32 {
	out := make([]float32, len(w)/len(x))
	for r := range out {
		sum := 0.0
		for i, v := range x {
			sum += float64(w[r*len(x)+i]) * float64(v)
		}
		out[r] = float32(sum)
	}
	return out
}

// turn applies the rotary embedding to each head.
func (p *plain) turn(x []float32) {
	half := p.c.HeadDim / 2
	freq := p.c.Rope.Frequencies(p.c.HeadDim)
	for h := 0; h < len(x); h += p.c.HeadDim {
		for i := range half {
			sin, cos := math.Sincos(float64(p.pos) * freq[i])
			a, b := float64(x[h+i]), float64(x[h+half+i])
			x[h+i], x[h+half+i] = float32(a*cos-b*sin), float32(a*sin+b*cos)
		}
	}
}

func (p *plain) attend(l *plainLayer, q []float32) []float32 {
	d := p.c.HeadDim
	out := make([]float32, len(q))
	for h := range p.c.Heads {
		kv := h / (p.c.Heads / p.c.KVHeads) * d
		weights, total := make([]float64, len(l.keys)), 0.0
		for t, key := range l.keys {
			dot := 0.0
			for i := range d {
				dot += float64(q[h*d+i]) * float64(key[kv+i])
			}
			weights[t] = math.Exp(dot * p.c.AttnScale)
			total += weights[t]
		}
		for t, value := range l.values {
			for i := range d {
				out[h*d+i] += float32(weights[t] / total * float64(value[kv+i]))
			}
		}
	}
	return out
}

// step takes the next token in and returns the likeliest one after it.
func (p *plain) step(id int32) int32 {
	h := p.c.Hidden
	x := append([]float32(nil), p.embed[int(id)*h:int(id+1)*h]...)
	add := func(y []float32) {
		for i := range x {
			x[i] += y[i]
		}
	}
	for i := range p.layers {
		l := &p.layers[i]
		in := p.norm(x, l.inNorm)
		q, k := matvec(l.q, in), matvec(l.k, in)
		p.turn(q)
		p.turn(k)
		l.keys, l.values = append(l.keys, k), append(l.values, matvec(l.v, in))
		add(matvec(l.o, p.attend(l, q)))
		in = p.norm(x, l.mlpNorm)
		gate, up := matvec(l.gate, in), matvec(l.up, in)
		for j, g := range gate {
			gate[j] = float32(float64(g) / (1 + math.Exp(-float64(g))) * float64(up[j]))
		}
		add(matvec(l.down, gate))
	}
	p.pos++
	logits := matvec(p.embed, p.norm(x, p.final))
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	return int32(best)
}
