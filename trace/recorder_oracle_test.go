// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/layerscope/layerscope/trace"
)

// TestOracleDump writes the recording that internal/oracle/xprof compares with
// XProf, in both forms.
func TestOracleDump(t *testing.T) {
	dir := os.Getenv("LAYERSCOPE_XPROF_ORACLE")
	if dir == "" {
		t.Skip("LAYERSCOPE_XPROF_ORACLE is not set: internal/oracle/xprof/run.sh does that")
	}
	rec := recordToy(t, trace.NewRecorder(trace.RecorderOptions{}), 50)
	for name, opts := range map[string]trace.XSpaceOptions{"compat": {XProfCompat: true, Host: "host"}, "native": {Host: "host"}} {
		path := filepath.Join(dir, name, "host.xplane.pb")
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := rec.WriteXSpace(f, opts); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
