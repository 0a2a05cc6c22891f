// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A document is one file's commands, run in order in one folder.
type document struct {
	makefile string // the project's
	dir, bin string // where to run, and the folder of the binary
	update   bool   // note an edit where the output differs
	edits    []edit
}

// check runs one command and compares its output and status with what the
// document says. A command that can't be run here has a reason in skip.
func (d *document) check(ctx context.Context, b block, c command, status int) (skip string, err error) {
	text, skip, err := plan(c.text, d.makefile)
	if err != nil || skip != "" {
		return skip, err
	}
	stdout, stderr, got, err := d.shell(ctx, text)
	switch {
	case err != nil:
		return "", err
	case got != status:
		return "", fmt.Errorf("exit status %d, want %d\n%s", got, status, stderr)
	}
	lines := outputLines(stdout)
	if matches(c.want, lines) {
		return "", nil
	}
	if d.update {
		fresh, err := updated(c.want, lines)
		if err == nil {
			d.edits = append(d.edits, edit{c.from, c.to, fresh, b.indent})
		}
		return "", err
	}
	return "", fmt.Errorf("prints something else (-update rewrites it)\ndocumented:\n%s\nprinted:\n%s\n%s", quote(c.want), quote(lines), stderr)
}

// quote sets lines off from the rest of a message.
func quote(lines []string) string { return "\t" + strings.Join(lines, "\n\t") }

// shell runs text in the document's folder, away from the user's settings.
func (d *document) shell(ctx context.Context, text string) (stdout, stderr string, status int, err error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", text)
	cmd.Dir = d.dir
	cmd.WaitDelay = time.Second
	cmd.Env = []string{
		"PATH=" + d.bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + d.dir, "LANG=C.UTF-8", "TZ=UTC", "TERM=dumb",
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out.String(), errs.String(), exit.ExitCode(), nil
	}
	return out.String(), errs.String(), 0, err
}
