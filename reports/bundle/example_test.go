// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/layerscope/layerscope/reports/bundle"
)

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server := filepath.Join(dir, "server.log")
	if err := os.WriteFile(server, []byte("HF_TOKEN=hf_0123456789 POST /v1/score from 10.1.2.3\n"), 0o666); err != nil {
		log.Fatal(err)
	}
	run := filepath.Join(dir, "first")
	m, err := bundle.Create(run, bundle.Options{Logs: []string{server}, Commit: "79e14de2c1"})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range m.Redacted {
		fmt.Println(r.Path, r.Kind, r.Count)
	}
	r, err := bundle.Verify(run)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.OK(), r.Listed)
	// Output:
	// logs/server.log address 1
	// logs/server.log token 1
	// true 7
}
