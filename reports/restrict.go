// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
)

// restrict returns the part of an analysis that its ops matching f make up:
// layer rows, components, categories and scopes are summed anew from these ops.
// What only the time line knows (samples, wall shares, directions) is left out;
// devices, programs and steps stay those of the whole capture.
func restrict(a *analyze.Analysis, f Filter) *analyze.Analysis {
	out := *a
	out.Ops = make([]analyze.Op, 0, len(a.Ops))
	for i := range a.Ops {
		if f.match(&a.Ops[i]) {
			out.Ops = append(out.Ops, a.Ops[i])
		}
	}
	out.Layers = restrictLayers(&a.Layers, out.Ops)
	out.Components = sumComponents(out.Ops)
	out.Categories = sumCategories(out.Ops)
	out.Scopes = sumScopes(out.Ops)
	out.Async.Rows = slices.DeleteFunc(slices.Clone(a.Async.Rows), func(r analyze.AsyncRow) bool {
		return !slices.ContainsFunc(out.Ops, func(o analyze.Op) bool { return o.Name == r.Name })
	})
	return &out
}

func restrictLayers(l *analyze.Layers, ops []analyze.Op) analyze.Layers {
	out := *l
	out.OpTime, out.Unattributed, out.Count = 0, 0, 0
	out.Outliers, out.UnattributedOps, out.Rows = nil, nil, nil
	byKey := make(map[string][]analyze.Op)
	for i := range ops {
		out.OpTime += ops[i].Self
		byKey[ops[i].Layer] = append(byKey[ops[i].Layer], ops[i])
	}
	for _, o := range byKey[""] {
		out.Unattributed += o.Self
		out.UnattributedOps = append(out.UnattributedOps, o)
	}
	delete(byKey, "")
	for i := range l.Rows {
		row := &l.Rows[i]
		if of, ok := byKey[row.Key]; ok {
			out.Rows = append(out.Rows, sumLayer(row.Key, row.Index, row.Program, of))
			delete(byKey, row.Key)
		}
	}
	// What is left are ops that belong to several layers at once.
	rest := make([]string, 0, len(byKey))
	for key := range byKey {
		rest = append(rest, key)
	}
	slices.Sort(rest)
	for _, key := range rest {
		out.Rows = append(out.Rows, sumLayer(key, -1, "", byKey[key]))
	}
	for i := range out.Rows {
		if out.Rows[i].Index >= 0 {
			out.Count++
		}
	}
	return out
}

func sumLayer(key string, index int, program string, ops []analyze.Op) analyze.Layer {
	row := analyze.Layer{Key: key, Index: index, Program: program}
	for i := range ops {
		row.Self += ops[i].Self
		row.Occurrences += ops[i].Occurrences
		row.FLOPs += ops[i].FLOPs
		row.Bytes += ops[i].Bytes
	}
	row.Components = sumComponents(ops)
	return row
}

func sumComponents(ops []analyze.Op) []analyze.Component {
	at := make(map[string]int)
	out := []analyze.Component{}
	for i := range ops {
		o := &ops[i]
		k, ok := at[o.Component]
		if !ok {
			k = len(out)
			at[o.Component] = k
			out = append(out, analyze.Component{Name: o.Component})
		}
		out[k].Self += o.Self
		out[k].FLOPs += o.FLOPs
		out[k].Bytes += o.Bytes
	}
	slices.SortStableFunc(out, func(a, b analyze.Component) int { return cmp.Compare(b.Self, a.Self) })
	return out
}

func sumCategories(ops []analyze.Op) []analyze.Category {
	at := make(map[string]int)
	out := []analyze.Category{}
	for i := range ops {
		k, ok := at[ops[i].Category]
		if !ok {
			k = len(out)
			at[ops[i].Category] = k
			out = append(out, analyze.Category{Name: ops[i].Category})
		}
		out[k].Self += ops[i].Self
		out[k].Occurrences += ops[i].Occurrences
	}
	slices.SortStableFunc(out, func(a, b analyze.Category) int { return cmp.Compare(b.Self, a.Self) })
	return out
}

// sumScopes sums ops by scope path; totals include all descendants.
func sumScopes(ops []analyze.Op) []analyze.Scope {
	at := make(map[string]*analyze.Scope)
	node := func(path string) *analyze.Scope {
		s, ok := at[path]
		if !ok {
			s = &analyze.Scope{Path: path}
			at[path] = s
		}
		return s
	}
	for i := range ops {
		o := &ops[i]
		s := node(o.Scope)
		s.Self += o.Self
		s.Occurrences += o.Occurrences
		s.Total += o.Self
		for path := o.Scope; ; {
			cut := strings.LastIndexByte(path, '/')
			if cut <= 0 {
				break
			}
			path = path[:cut]
			node(path).Total += o.Self
		}
	}
	out := make([]analyze.Scope, 0, len(at))
	for _, s := range at {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b analyze.Scope) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Path, b.Path))
	})
	return out
}
