// SPDX-License-Identifier: Apache-2.0

// Package term holds the manners of a command at a terminal: whether there is
// one, how wide it is, whether to colour, how to print names from untrusted
// files, and the progress line. It writes nowhere by itself except through
// Progress, and reads no globals: the caller passes streams and environment.
package term

import (
	"fmt"
	"strconv"

	xterm "golang.org/x/term"

	"github.com/layerscope/layerscope/internal/term/termtext"
)

// Safe returns s fit for a terminal: controls, bidi controls and invalid UTF-8
// are shown as escapes. See termtext.Safe.
func Safe(s string) string { return termtext.Safe(s) }

// Env looks up an environment variable; os.Getenv is one.
type Env func(name string) string

type descriptor interface{ Fd() uintptr }

// IsTerminal reports whether stream is an open terminal. Anything that has no
// file descriptor (a buffer, a pipe's wrapper) is not.
func IsTerminal(stream any) bool {
	f, ok := stream.(descriptor)
	return ok && xterm.IsTerminal(int(f.Fd()))
}

// Width returns the number of columns of the terminal stream, or 0 when stream
// is not a terminal: 0 means "do not wrap or cut". A terminal that doesn't say
// gets $COLUMNS, else 80.
func Width(stream any, env Env) int {
	f, ok := stream.(descriptor)
	if !ok || !xterm.IsTerminal(int(f.Fd())) {
		return 0
	}
	if w, _, err := xterm.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	if w, err := strconv.Atoi(env("COLUMNS")); err == nil && w > 0 {
		return w
	}
	return 80
}

// Color is the value of --color.
type Color uint8

// Auto colours on a terminal that can, Always and Never do as they say.
const (
	Auto Color = iota
	Always
	Never
)

var colorNames = [...]string{Auto: "auto", Always: "always", Never: "never"}

// String, Set and Type make *Color a flag value.
func (c *Color) String() string { return colorNames[*c] }

// Set parses auto, always or never.
func (c *Color) Set(s string) error {
	for i, name := range colorNames {
		if s == name {
			*c = Color(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not one of auto, always, never", s)
}

// Type names the value in usage text.
func (c *Color) Type() string { return "when" }

// Enabled decides whether to colour output to stream: the flag if it isn't
// auto, else off when NO_COLOR is set, on when CLICOLOR_FORCE is set and not 0,
// else on exactly when stream is a terminal and TERM isn't dumb.
func (c Color) Enabled(stream any, env Env) bool {
	return c.enabled(IsTerminal(stream), env)
}

func (c Color) enabled(terminal bool, env Env) bool {
	switch {
	case c != Auto:
		return c == Always
	case env("NO_COLOR") != "":
		return false
	case env("CLICOLOR_FORCE") != "" && env("CLICOLOR_FORCE") != "0":
		return true
	}
	return terminal && env("TERM") != "dumb"
}
