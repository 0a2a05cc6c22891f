// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"os/exec"
	"strings"
	"testing"
)

// With the tag nocloud the program has nothing of the client in it; in the
// Makefile's build with it, nothing of the gRPC transport's name resolution.
func TestNocloud(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command:", err)
	}
	deps := func(tags string) string {
		cmd := exec.Command("go", "list", "-deps", "-tags", tags, "github.com/layerscope/layerscope/cmd/layerscope")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	for dep := range strings.Lines(deps("nocloud")) {
		for _, not := range []string{"cloud.google.com/", "google.golang.org/api", "google.golang.org/grpc", "golang.org/x/oauth2", "go.opentelemetry.io/"} {
			if strings.HasPrefix(dep, not) {
				t.Errorf("nocloud: depends on %s", dep)
			}
		}
	}
	with := deps("disable_grpc_modules")
	if !strings.Contains(with, "cloud.google.com/go/storage\n") {
		t.Error("the client is missing where it is wanted")
	}
	if strings.Contains(with, "google.golang.org/grpc/xds") {
		t.Error("disable_grpc_modules: the xDS client is linked")
	}
}
