// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"io"
)

// XSpaceOptions steer [Recording.WriteXSpace].
type XSpaceOptions struct {
	// XProfCompat writes devices as TPUs, the only kind for which XProf makes
	// tables of ops without a GPU, and marks the file as synthetic.
	XProfCompat bool
	// Host names the host; "" = the machine's name.
	Host string
}

// WriteXSpace writes the recording as an XSpace (*.xplane.pb).
func (rec *Recording) WriteXSpace(w io.Writer, opts XSpaceOptions) error {
	return errors.New("not written yet")
}
