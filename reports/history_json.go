// SPDX-License-Identifier: Apache-2.0

package reports

import "github.com/layerscope/layerscope/analyze"

type jsonHistory struct {
	Schema   string              `json:"schema"`
	Tool     jsonTool            `json:"tool"`
	Title    string              `json:"title"`
	Metric   string              `json:"metric"`
	Unit     string              `json:"unit"`
	Runs     int                 `json:"runs"`
	Points   []jsonHistoryPoint  `json:"points"`
	Changes  []jsonHistoryChange `json:"changes"`
	Trail    jsonTrail           `json:"trail"`
	Findings []jsonFinding       `json:"findings"`
}

type jsonHistoryPoint struct {
	Label     string  `json:"label"`
	Commit    string  `json:"commit"`
	Subject   string  `json:"subject"`
	UnixNS    *int64  `json:"unix_ns"`
	Runs      int     `json:"runs"`
	Disturbed int     `json:"disturbed"`
	Value     int64   `json:"value"`
	Lo        int64   `json:"lo"`
	Hi        int64   `json:"hi"`
	Values    []int64 `json:"values"`
}

type jsonHistoryChange struct {
	Index  int     `json:"index"`
	First  int     `json:"first"`
	Last   int     `json:"last"`
	Commit string  `json:"commit"`
	Before int64   `json:"before"`
	After  int64   `json:"after"`
	Change float64 `json:"change"`
	P      float64 `json:"p"`
}

type jsonTrail struct {
	Recent    int64   `json:"recent"`
	Baseline  int64   `json:"baseline"`
	Change    float64 `json:"change"`
	Sigmas    float64 `json:"sigmas"`
	Tolerance float64 `json:"tolerance"`
	Verdict   string  `json:"verdict"`
	Needed    int     `json:"needed"`
}

func (v *historyReport) json() jsonHistory {
	h, t := v.h, &v.h.Trail
	out := jsonHistory{
		Schema: historySchema, Tool: v.r.jsonTool(), Title: v.r.opts.Title, Metric: h.Metric, Unit: h.Unit,
		Points: list(h.Points, func(p *analyze.HistoryPoint) jsonHistoryPoint {
			q := jsonHistoryPoint{
				Label: p.Label, Commit: p.Commit, Subject: p.Subject, Runs: len(p.Values), Disturbed: p.Disturbed,
				Value: v.rounded(p.Value), Lo: v.rounded(p.Lo), Hi: v.rounded(p.Hi),
				Values: list(p.Values, func(x *float64) int64 { return v.rounded(*x) }),
			}
			if p.UnixNano != 0 {
				q.UnixNS = &p.UnixNano
			}
			return q
		}),
		Changes: list(h.Changes, func(c *analyze.HistoryChange) jsonHistoryChange {
			return jsonHistoryChange{c.Index, c.First, c.Last, h.Points[c.Index].Commit, v.rounded(c.Before), v.rounded(c.After), c.Change, c.P}
		}),
		Trail:    jsonTrail{v.rounded(t.Recent), v.rounded(t.Baseline), t.Change, t.Sigmas, t.Tolerance, t.Verdict, t.Needed},
		Findings: list(v.r.findings(), newJSONFinding),
	}
	for i := range h.Points {
		out.Runs += len(h.Points[i].Values)
	}
	return out
}
