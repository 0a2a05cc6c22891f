// SPDX-License-Identifier: Apache-2.0

package term

import (
	"bytes"
	"os"
	"testing"
)

func env(pairs ...string) Env {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestColorEnabled(t *testing.T) {
	for _, c := range []struct {
		name     string
		color    Color
		terminal bool
		env      Env
		want     bool
	}{
		{"auto on a terminal", Auto, true, env("TERM", "xterm"), true},
		{"auto piped", Auto, false, env("TERM", "xterm"), false},
		{"auto on a dumb terminal", Auto, true, env("TERM", "dumb"), false},
		{"NO_COLOR wins over the terminal", Auto, true, env("NO_COLOR", "1"), false},
		{"NO_COLOR wins over CLICOLOR_FORCE", Auto, true, env("NO_COLOR", "1", "CLICOLOR_FORCE", "1"), false},
		{"empty NO_COLOR is unset", Auto, true, env("NO_COLOR", ""), true},
		{"CLICOLOR_FORCE piped", Auto, false, env("CLICOLOR_FORCE", "1"), true},
		{"CLICOLOR_FORCE=0 is unset", Auto, false, env("CLICOLOR_FORCE", "0"), false},
		{"always wins over NO_COLOR", Always, false, env("NO_COLOR", "1"), true},
		{"never wins over all", Never, true, env("CLICOLOR_FORCE", "1"), false},
	} {
		if got := c.color.enabled(c.terminal, c.env); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestColorFlag(t *testing.T) {
	var c Color
	for _, name := range []string{"always", "never", "auto"} {
		if err := c.Set(name); err != nil || c.String() != name {
			t.Errorf("Set(%q): %v, then String() = %q", name, err, c.String())
		}
	}
	err := c.Set("yes")
	if err == nil || err.Error() != `"yes" is not one of auto, always, never` {
		t.Errorf("Set(yes): %v", err)
	}
	if c != Auto {
		t.Errorf("a refused value changed the flag to %v", c.String())
	}
}

func TestNotATerminal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, stream := range map[string]any{"buffer": new(bytes.Buffer), "file": f, "nil": nil} {
		if IsTerminal(stream) {
			t.Errorf("%s is called a terminal", name)
		}
		if w := Width(stream, env("COLUMNS", "120")); w != 0 {
			t.Errorf("%s: width %d, want 0 (do not cut)", name, w)
		}
	}
}

func TestProgressFor(t *testing.T) {
	buf := new(bytes.Buffer)
	for flag, want := range map[string]ProgressStyle{"": NoProgress, "auto": NoProgress, "none": NoProgress, "json": JSONProgress} {
		if got, err := ProgressFor(flag, buf, env()); err != nil || got != want {
			t.Errorf("ProgressFor(%q) = %v, %v, want %v", flag, got, err, want)
		}
	}
	if _, err := ProgressFor("bar", buf, env()); err == nil {
		t.Error("--progress bar is accepted")
	}
}
