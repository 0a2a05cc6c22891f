// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"fmt"
	"slices"
	"strings"
)

// allowed are the programs that documentation may run.
var allowed = []string{
	"layerscope", "bin/layerscope", "./bin/layerscope",
	"cat", "cd", "cp", "cut", "diff", "echo", "false", "grep", "head", "ls", "mkdir", "mv", "printf", "rm", "sed", "sort", "tail", "test", "true", "wc",
}

// plan returns the shell command to run for one that the documentation shows,
// or why none is: commands that fetch, build or test the project would need the
// network or run this test again, so they are left out; "make demo" becomes the
// part of it behind the build. Anything else that isn't allowed is an error.
func plan(text, makefile string) (run, skip string, err error) {
	if strings.ContainsAny(text, "`") || strings.Contains(text, "$(") {
		return "", "", fmt.Errorf("%q: command substitution isn't allowed", text)
	}
	var parts []string
	for _, part := range strings.Split(text, "&&") {
		words := strings.Fields(part)
		switch {
		case len(words) == 0:
			return "", "", fmt.Errorf("%q: a command is missing", text)
		case slices.Equal(words, []string{"make", "demo"}):
			parts = append(parts, fmt.Sprintf("make -s --no-print-directory -f '%s' BIN=layerscope demo-run", makefile))
		case words[0] == "make":
			skip = "make would run the tests again"
		case words[0] == "git" || words[0] == "go" || words[0] == "curl":
			skip = words[0] + " needs the network or a build"
		case slices.Equal(words, []string{"cd", "layerscope"}):
			skip = "the test is there already"
		default:
			if err := check(part); err != nil {
				return "", "", err
			}
			parts = append(parts, strings.TrimSpace(part))
		}
	}
	if len(parts) == 0 {
		return "", skip, nil
	}
	return strings.Join(parts, " && "), "", nil
}

// check wants every program of a shell command to be an allowed one.
func check(text string) error {
	for _, simple := range simpleCommands(text) {
		words := strings.Fields(simple)
		for len(words) > 0 && isAssignment(words[0]) {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		if !slices.Contains(allowed, words[0]) {
			return fmt.Errorf("%q: documentation may not run %q", text, words[0])
		}
	}
	return nil
}

// simpleCommands splits shell text at |, ; and & outside quotes. The & of a
// redirection (2>&1) doesn't split.
func simpleCommands(text string) []string {
	var parts []string
	var quote byte
	start := 0
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '|' || c == ';' || c == '&' && (i == 0 || text[i-1] != '>'):
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

func isAssignment(word string) bool {
	name, _, found := strings.Cut(word, "=")
	return found && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
