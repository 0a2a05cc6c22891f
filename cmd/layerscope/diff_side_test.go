// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
)

// Sides whose files are called alike are told apart by the directories above them.
func TestTellApart(t *testing.T) {
	for _, c := range []struct{ args, want []string }{
		{[]string{"a/host.xplane.pb", "b/host.xplane.pb"}, []string{"a/host.xplane.pb", "b/host.xplane.pb"}},
		{[]string{"a/x/host.pb", "b/x/host.pb", "c.pb"}, []string{"a/x/host.pb", "b/x/host.pb", "c.pb"}},
		{[]string{"gs://b/r1/host.pb", "gs://b/r2/host.pb"}, []string{"r1/host.pb", "r2/host.pb"}},
		{[]string{"base=a/host.pb", "b/host.pb"}, []string{"base", "host.pb"}},
		{[]string{"a/host.pb", "a/host.pb"}, []string{"a/host.pb", "a/host.pb"}},
		{[]string{"a/h.pb,a/i.pb", "b/h.pb,b/i.pb"}, []string{"a/h.pb (+1)", "b/h.pb (+1)"}},
	} {
		var sides []sideArg
		for _, arg := range c.args {
			in := parseInput(arg)
			s := sideArg{label: in.label}
			if s.label == "" {
				s.paths = splitPaths(in.path)
				s.name(1)
			}
			sides = append(sides, s)
		}
		tellApart(sides)
		var got []string
		for _, s := range sides {
			got = append(got, s.label)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: labels %q, wanted %q", c.args, got, c.want)
		}
	}
}
