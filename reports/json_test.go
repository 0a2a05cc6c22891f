// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
)

// strict compiles a schema of docs/schema with every object closed, so that a
// field which the schema doesn't document fails the test. The published schema
// stays open: readers must ignore what they don't know.
func strict(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open(filepath.Join(tracetest.Root(t), "docs", "schema", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["properties"]; ok {
			v["additionalProperties"] = false
		}
		for _, child := range v {
			closeObjects(child)
		}
	case []any:
		for _, child := range v {
			closeObjects(child)
		}
	}
}

func TestJSONFollowsItsSchema(t *testing.T) {
	kinds := []struct {
		schema string
		make   func(*analyze.Analysis, Options) *Report
	}{{"report.v1.json", New}, {"inspect.v1.json", Inspect}, {"check.v1.json", Check}}
	for _, k := range kinds {
		schema := strict(t, k.schema)
		for _, c := range goldenCases(t) {
			t.Run(k.schema+"/"+c.name, func(t *testing.T) {
				var b bytes.Buffer
				if err := k.make(c.a, c.opts).JSON(&b); err != nil {
					t.Fatal(err)
				}
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
				if err != nil {
					t.Fatal(err)
				}
				if err := schema.Validate(doc); err != nil {
					t.Error(err)
				}
				nullLists(t, doc, "")
			})
		}
	}
}

// nullLists fails on a null where the schema's prose promises a list. (The
// schema's types forbid it too; this names the field.)
func nullLists(t *testing.T, v any, path string) {
	t.Helper()
	object, ok := v.(map[string]any)
	if !ok {
		return
	}
	for _, list := range []string{"inputs", "findings", "hosts", "programs", "devices", "rows", "scopes", "components", "categories", "ops", "steps", "outliers"} {
		if child, ok := object[list]; ok && child == nil {
			t.Errorf("%s.%s is null", path, list)
		}
	}
	for k, child := range object {
		nullLists(t, child, path+"."+k)
	}
}

func TestJSONConserves(t *testing.T) {
	for _, c := range goldenCases(t) {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "hostile_names" {
				t.Skip("its rows share one key, so a filtered sum could not be told apart")
			}
			var b bytes.Buffer
			if err := New(c.a, c.opts).JSON(&b); err != nil {
				t.Fatal(err)
			}
			var doc jsonReport
			if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
				t.Fatal(err)
			}
			rows := doc.Layers.UnattributedPS
			for _, row := range doc.Layers.Rows {
				rows += row.SelfPS
			}
			var devices, ops int64
			for _, d := range doc.Devices {
				devices += d.OpTimePS
				if d.BusyPS+d.IdlePS != d.WindowPS {
					t.Errorf("%s: busy %d + idle %d != window %d", d.Name, d.BusyPS, d.IdlePS, d.WindowPS)
				}
			}
			for _, o := range doc.Ops {
				ops += o.SelfPS
			}
			if rows != doc.Layers.OpTimePS {
				t.Errorf("rows + unattributed = %d, op time %d", rows, doc.Layers.OpTimePS)
			}
			if c.opts.Top == 0 && ops != doc.Layers.OpTimePS {
				t.Errorf("ops = %d, op time %d", ops, doc.Layers.OpTimePS)
			}
			if doc.Filter == nil && devices != doc.Layers.OpTimePS {
				t.Errorf("devices = %d, op time %d", devices, doc.Layers.OpTimePS)
			}
			if f := doc.Filter; f != nil && (f.MatchedPS != doc.Layers.OpTimePS || f.OfPS != devices) {
				t.Errorf("filter %+v, layers %d, devices %d", *f, doc.Layers.OpTimePS, devices)
			}
		})
	}
}

func TestJSONHoldsAllRowsUnlessTop(t *testing.T) {
	a := model{layers: 28, steps: 2}.analysis() // 28 × 3 + 2 = 86 ops
	for _, c := range []struct{ top, want int }{{0, 86}, {-1, 86}, {5, 5}, {500, 86}} {
		r := New(a, Options{Top: c.top})
		if got := len(r.jsonReport().Ops); got != c.want {
			t.Errorf("Top %d: %d ops, want %d", c.top, got, c.want)
		}
	}
}

func TestJSONProgramIDKeepsAllBits(t *testing.T) {
	a := model{layers: 2, steps: 1}.analysis()
	if got, want := New(a, Options{}).jsonReport().Programs[0].ProgramID, "17297762041688096493"; got != want {
		t.Errorf("program_id %s, want %s = 0xf00dfeedf00dfeed", got, want)
	}
}
