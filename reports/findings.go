// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
)

func (r *Report) findingBlock() block {
	b := block{title: "Findings", items: r.items()}
	if len(b.items) == 0 {
		b.para = []string{"None."}
	}
	if r.a.OpsOnly {
		b.after = append(b.after, "Only ops, categories and programs were looked at; layerscope check judges the steps too.")
	}
	return b
}

func (r *Report) items() []item {
	var out []item
	for _, f := range r.findings() {
		text := strings.TrimRight(homeless(f.Message), ".")
		if f.Count > 1 {
			text += fmt.Sprintf(" (%s times)", number(f.Count))
		}
		out = append(out, item{string(f.Severity), f.Code, text, homeless(f.Hint)})
	}
	return out
}

// provenance says from what, when and by what the report was made.
func (r *Report) provenance() block {
	return block{title: "Provenance", facts: append(r.inputFacts(), r.metadataFacts()...)}
}

// inBucket says which version of a remote file was read: its SHA-256, which needs
// all of its bytes, was not taken.
func inBucket(in *analyze.Input) string {
	switch {
	case in.Version == "":
		return ""
	case in.CRC32C == "":
		return " " + in.Version + " (no sha256 taken)"
	}
	return " " + in.Version + ", crc32c:" + in.CRC32C + " (no sha256 taken)"
}

func (r *Report) inputFacts() []fact {
	var out []fact
	for i := range r.a.Inputs {
		in := &r.a.Inputs[i]
		value := fmt.Sprintf("%s (%s, %s)", homeless(in.Path), or(in.Format, r.a.Format), quantity.Format(quantity.Bytes, quantity.Int(in.Bytes)))
		if in.SHA256 != "" {
			value += " sha256:" + in.SHA256
		}
		out = append(out, fact{"file", value + inBucket(in)})
	}
	if start := startUTC(&r.a.Capture); start != "" {
		out = append(out, fact{"captured", start})
	}
	if len(r.a.Capture.Hosts) > 0 {
		out = append(out, fact{"hosts", strings.Join(r.a.Capture.Hosts, ", ")})
	}
	return out
}

func (r *Report) metadataFacts() []fact {
	var out []fact
	for _, key := range slices.Sorted(maps.Keys(r.a.Capture.Metadata)) {
		if len(out) == 20 {
			out = append(out, fact{"…", fmt.Sprintf("%d more in the JSON", len(r.a.Capture.Metadata)-20)})
			break
		}
		out = append(out, fact{elide(key, 40), elide(homeless(r.a.Capture.Metadata[key]), 80)})
	}
	return append(out, fact{"report", strings.TrimSpace("layerscope " + r.opts.Version)})
}
