// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"encoding/json"
	"io"

	"github.com/layerscope/layerscope/analyze"
)

// speedscope's file format, version 0.0.1: frames shared by profiles whose
// samples are stacks of frame numbers, each with a weight.
type (
	speedscopeFile struct {
		Schema   string              `json:"$schema"`
		Name     string              `json:"name"`
		Exporter string              `json:"exporter"`
		Active   int                 `json:"activeProfileIndex"`
		Shared   speedscopeShared    `json:"shared"`
		Profiles []speedscopeProfile `json:"profiles"`
	}
	speedscopeShared struct {
		Frames []speedscopeFrame `json:"frames"`
	}
	speedscopeFrame struct {
		Name string `json:"name"`
		File string `json:"file,omitempty"`
		Line int64  `json:"line,omitempty"`
	}
	speedscopeProfile struct {
		Type    string    `json:"type"`
		Name    string    `json:"name"`
		Unit    string    `json:"unit"`
		Start   float64   `json:"startValue"`
		End     float64   `json:"endValue"`
		Samples [][]int   `json:"samples"`
		Weights []float64 `json:"weights"`
	}
)

// WriteSpeedscope writes the stacks for https://speedscope.app: one profile of
// self time by stack, in nanoseconds. The name is shown as the title.
func WriteSpeedscope(w io.Writer, a *analyze.Analysis, name string) error {
	file := speedscopeFile{
		Schema: "https://www.speedscope.app/file-format-schema.json", Name: name, Exporter: "layerscope",
		Shared: speedscopeShared{Frames: []speedscopeFrame{}},
	}
	p := speedscopeProfile{Type: "sampled", Name: "self time by layer and scope", Unit: "nanoseconds", Samples: [][]int{}, Weights: []float64{}}
	type key struct {
		name, source string
	}
	known := make(map[key]int)
	total := int64(0)
	for _, s := range Stacks(a) {
		sample := make([]int, len(s.Frames))
		for i, f := range s.Frames {
			k := key{name: f}
			if i == len(s.Frames)-1 {
				k.source = s.Op.Source
			}
			n, ok := known[k]
			if !ok {
				n = len(file.Shared.Frames)
				known[k] = n
				frame := speedscopeFrame{Name: f}
				frame.File, frame.Line = sourceLine(k.source)
				file.Shared.Frames = append(file.Shared.Frames, frame)
			}
			sample[i] = n
		}
		p.Samples = append(p.Samples, sample)
		p.Weights = append(p.Weights, float64(s.Op.Self)/1000)
		total += int64(s.Op.Self)
	}
	p.End = float64(total) / 1000
	file.Profiles = []speedscopeProfile{p}
	return json.NewEncoder(w).Encode(file)
}
