// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"strings"
	"testing"

	"github.com/layerscope/layerscope/trace"
)

// Marks inside another mark of their thread are parts of that step; those of
// another thread are steps of their own.
func TestNestedStepMarks(t *testing.T) {
	const doc = `{"traceEvents":[
{"ph":"M","pid":1,"name":"process_name","args":{"name":"/host:CPU"}},
{"ph":"X","pid":1,"tid":1,"ts":20,"dur":30,"name":"inner","args":{"step_num":"0"}},
{"ph":"X","pid":1,"tid":1,"ts":0,"dur":100,"name":"train","args":{"step_num":"0"}},
{"ph":"X","pid":1,"tid":2,"ts":40,"dur":20,"name":"eval","args":{"step_num":"7"}},
{"ph":"X","pid":1,"tid":1,"ts":100,"dur":50,"name":"train","args":{"step_num":"1"}}]}`
	tr, err := trace.Read(strings.NewReader(doc), "scorehost.trace.json", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range tr.Steps {
		got = append(got, s.Name)
	}
	if want := "train eval train"; strings.Join(got, " ") != want {
		t.Errorf("steps %v, want %s", got, want)
	}
}
