// SPDX-License-Identifier: Apache-2.0

package runindex

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// maxObject bounds what is read of one object.
const maxObject = 16 << 20

// Dir is an index in a directory, which is created by the first run added.
// Objects appear whole: they are written under another name, synced, and linked.
func Dir(root string) Store { return dir(root) }

type dir string

func (d dir) Create(_ context.Context, name string, data []byte) error {
	if err := os.MkdirAll(string(d), 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(string(d)) // no symbolic link leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	if _, err := root.Lstat(name); err == nil {
		return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	temp := path.Dir(name) + "/.new-" + rand.Text()
	defer root.Remove(temp) // gone already, or no use
	if err := writeSynced(root, temp, data); err != nil {
		return err
	}
	err = root.Link(temp, name)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		// No links here (FAT, some mounts). Two writers that get this far write
		// the same run: whose record stays doesn't matter.
		err = root.Rename(temp, name)
	}
	if err != nil {
		return err
	}
	return syncDir(root, path.Dir(name))
}

func writeSynced(root *os.Root, name string, data []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes new names last. Not all systems can sync a directory: then they
// last when the system says so.
func syncDir(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	_ = f.Sync() // see above
	return f.Close()
}

func (d dir) Read(_ context.Context, name string) ([]byte, error) {
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxObject+1))
	if err == nil && len(data) > maxObject {
		err = fmt.Errorf("more than %d bytes, wanted a run's record", maxObject)
	}
	return data, err
}

func (d dir) List(_ context.Context, prefix string) ([]string, error) {
	entries, err := os.ReadDir(string(d) + "/" + path.Dir(prefix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := path.Join(path.Dir(prefix), e.Name())
		if !e.IsDir() && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}
