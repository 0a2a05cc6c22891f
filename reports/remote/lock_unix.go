// SPDX-License-Identifier: Apache-2.0

//go:build unix

package remote

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockDir takes a directory for this process, until it ends or closes the file.
func lockDir(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process is fetching it: %w", err), f.Close())
	}
	return f, nil
}
