// SPDX-License-Identifier: Apache-2.0

// Package analyze says where the time of a capture went: by layer, component,
// op, category, scope and step, with FLOPs and bytes, and what the capture's
// quality allows to conclude. Its functions are pure: they read tracks and
// return values.
//
// Two quantities are kept apart. Op time is the sum of self times: what work
// cost, and what adds up. Wall share splits each instant between the ops that
// are open at it on several threads or streams: what of the busy time was
// theirs. Rows of the layer table and the unattributed rest add up to op time,
// to the picosecond.
//
// Layers are found by the first of four methods that places at least 90 % of
// the main program's op time: "scope" (an index in the scope path), "param"
// (layer parameters, followed along the operands of the HLO), "anchor" (an op
// that repeats once a layer cuts the execution), "scan" (iterations of a loop).
//
//	t, err := trace.Open("host.xplane.pb", trace.Options{})
//	if err != nil {
//		return err
//	}
//	defer t.Close()
//	a, err := analyze.Analyze(t, analyze.Options{})
//	if err != nil {
//		return err
//	}
//	for _, layer := range a.Layers.Rows {
//		fmt.Println(layer.Key, layer.Self)
//	}
package analyze
