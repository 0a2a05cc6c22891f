// SPDX-License-Identifier: Apache-2.0

// Package doctest runs the commands that the documentation shows and compares
// what they print with what it says, byte for byte. It is a test; CONTRIBUTING
// says how blocks are written.
package doctest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A block is a fenced code block that holds commands.
type block struct {
	line     int    // of its opening fence, from 1
	skip     string // not "": why it isn't run
	exit     int    // status its last command must have
	indent   string // before each of its lines
	commands []command
}

// A command is a "$ " line of a block and the output that follows it.
type command struct {
	line     int // of the "$ " line, from 1
	text     string
	want     []string // lines of output
	from, to int      // the lines of want in the file, from 0, half open
}

var (
	fenceLine = regexp.MustCompile("^([ \t]*)(`{3,}|~{3,})[ \t]*([A-Za-z0-9_+-]*)[ \t]*$")
	directive = regexp.MustCompile(`^\s*<!--\s*doctest:\s*(\w+)\s+(.*?)\s*-->\s*$`)
)

// extract returns the blocks with commands of a Markdown text. A block that
// shows "$ " lines must say whether it is run (console) or not (sh).
func extract(text string) ([]block, error) {
	lines := strings.Split(text, "\n")
	var blocks []block
	for i := 0; i < len(lines); i++ {
		m := fenceLine.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		b := block{line: i + 1, indent: m[1]}
		end := closing(lines, i+1, m[2])
		if end < 0 {
			return nil, fmt.Errorf("line %d: the block has no closing fence", b.line)
		}
		if err := b.direct(lines[:i]); err != nil {
			return nil, err
		}
		body := lines[i+1 : end]
		switch info := m[3]; {
		case info == "console":
			b.split(body)
			if len(b.commands) == 0 && b.skip == "" {
				return nil, fmt.Errorf("line %d: a console block without a $ command", b.line)
			}
			blocks = append(blocks, b)
		case info == "sh" || info == "bash" || info == "shell":
			if b.skip == "" {
				b.skip = "sh block, shown only"
			}
			blocks = append(blocks, b)
		case hasCommand(body, b.indent):
			return nil, fmt.Errorf("line %d: the block has $ commands: mark it console (run) or sh (not run)", b.line)
		}
		i = end
	}
	return blocks, nil
}

// closing returns the line of the fence that ends a block, or -1.
func closing(lines []string, from int, fence string) int {
	for i := from; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if len(line) >= len(fence) && strings.Trim(line, fence[:1]) == "" {
			return i
		}
	}
	return -1
}

// direct obeys the comment on the last line that isn't blank before a block.
func (b *block) direct(before []string) error {
	for i := len(before) - 1; i >= 0; i-- {
		if strings.TrimSpace(before[i]) == "" {
			continue
		}
		m := directive.FindStringSubmatch(before[i])
		if m == nil {
			return nil
		}
		switch n, err := strconv.Atoi(m[2]); {
		case m[1] == "skip":
			b.skip = m[2]
		case m[1] == "exit" && err == nil:
			b.exit = n
		default:
			return fmt.Errorf("line %d: doctest: %s %s: want skip REASON or exit N", i+1, m[1], m[2])
		}
		return nil
	}
	return nil
}

func hasCommand(body []string, indent string) bool {
	for _, line := range body {
		if strings.HasPrefix(strings.TrimPrefix(line, indent), "$ ") {
			return true
		}
	}
	return false
}

// split divides a console block into commands. A command ends with its line
// unless that ends in a backslash; blank lines after an output don't count.
func (b *block) split(body []string) {
	for i := 0; i < len(body); i++ {
		line := strings.TrimPrefix(body[i], b.indent)
		text, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			if n := len(b.commands); n > 0 {
				c := &b.commands[n-1]
				c.want = append(c.want, line)
				c.to = b.line + i + 1
			}
			continue
		}
		c := command{line: b.line + i + 1}
		for strings.HasSuffix(text, `\`) && i+1 < len(body) {
			i++
			next := strings.TrimPrefix(strings.TrimPrefix(body[i], b.indent), "> ")
			text = strings.TrimSuffix(text, `\`) + strings.TrimLeft(next, " \t")
		}
		c.text = text
		c.from, c.to = b.line+i+1, b.line+i+1
		b.commands = append(b.commands, c)
	}
	for i := range b.commands {
		c := &b.commands[i]
		for len(c.want) > 0 && strings.TrimSpace(c.want[len(c.want)-1]) == "" {
			c.want = c.want[:len(c.want)-1]
			c.to--
		}
	}
}
