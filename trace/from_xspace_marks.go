// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"slices"
	"strings"
)

// maxMarks bounds executions and steps by the size of the input: real ones take 40
// bytes and more there, hostile ones two.
func maxMarks(size int64) int { return 1<<18 + int(min(size/32, 1<<28)) }

// reserveMarks makes room for the executions and steps of device planes, of which
// large captures have hundreds of thousands.
func (x *xspaceReader) reserveMarks() error {
	var executions, steps int64
	for _, pl := range x.sp.Planes {
		if !strings.HasPrefix(pl.Name, "/device:") {
			continue
		}
		for _, ln := range pl.Lines {
			of := &executions
			switch lineKind(ln) {
			case Modules:
			case StepLine:
				of = &steps
			default:
				continue
			}
			n, err := ln.Count()
			if err != nil {
				return err
			}
			*of += n
		}
	}
	x.t.Executions = slices.Grow(x.t.Executions, int(min(executions, int64(x.marks))))
	x.t.Steps = slices.Grow(x.t.Steps, int(min(steps, int64(x.marks))))
	return nil
}

// mark counts one more execution or step, and reports whether it may be kept.
func (x *xspaceReader) mark() bool {
	if x.marks--; x.marks == -1 {
		x.t.find(Finding{Code: "too-many-ops", Severity: Warning, Message: fmt.Sprintf("more than %d program executions and steps; the rest are left out", maxMarks(x.sp.Size))})
	}
	return x.marks >= 0
}
