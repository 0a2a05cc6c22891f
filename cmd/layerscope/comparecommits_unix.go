// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup makes the command the leader of a process group, so that all it
// starts can be ended together, and an interrupt at the terminal reaches only
// this program.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
}

// signalGroup sends a signal to the group of a command. A group that has gone is
// no error.
func signalGroup(pid int, kill bool) error {
	sig := unix.SIGINT
	if kill {
		sig = unix.SIGKILL
	}
	if err := unix.Kill(-pid, sig); err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EPERM) {
		return err
	}
	return nil
}

// lockFile takes a lock that ends with the process, however that ends.
func lockFile(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
