// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/layerscope/layerscope/internal/fakegcs"
	"github.com/layerscope/layerscope/internal/tracetest"
)

var update = flag.Bool("update", false, "rewrite the outputs in the scripts")

func TestMain(m *testing.M) {
	fakegcs.Main()
	testscript.Main(m, map[string]func(){"layerscope": main, "faketrace": fakeTrace})
}

// TestScript runs the program as a shell would. Beside the usual commands
// scripts have:
//
//	exits CODE PROGRAM ARG…     the program must end with this code
//	valid SCHEMA FILE           each JSON document of FILE must follow docs/schema/SCHEMA.v1.json
//
// $CAPTURES is testdata/captures; gs://runs is an empty bucket.
func TestScript(t *testing.T) {
	root := tracetest.Root(t)
	bucket := fakegcs.Start(t, "runs")
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CAPTURES", filepath.Join(root, "testdata", "captures"))
			env.Setenv("STORAGE_EMULATOR_HOST", bucket.Host)
			env.Setenv("SCHEMAS", filepath.Join(root, "docs", "schema"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "valid": valid},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, errors.New("unknown condition")
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func valid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: valid SCHEMA FILE")
	}
	c := jsonschema.NewCompiler()
	schema, err := c.Compile(filepath.Join(ts.Getenv("SCHEMAS"), args[0]+".v1.json"))
	ts.Check(err)
	docs := documents(ts, []byte(ts.ReadFile(args[1])))
	if len(docs) == 0 {
		ts.Fatalf("%s holds no JSON", args[1])
	}
	for _, doc := range docs {
		ts.Check(schema.Validate(doc))
	}
}

// documents splits concatenated JSON documents, each of which begins and ends
// with a line of its brace alone.
func documents(ts *testscript.TestScript, text []byte) []any {
	var docs []any
	for _, part := range bytes.SplitAfter(text, []byte("\n}\n")) {
		if len(part) == 0 {
			continue
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(part))
		ts.Check(err)
		docs = append(docs, doc)
	}
	return docs
}
