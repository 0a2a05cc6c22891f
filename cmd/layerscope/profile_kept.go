// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"
)

// A kept is what a session has done so far, in a directory beside the bundle to
// come: DIR.session. It lets the same command go on after an interrupt.
type kept struct {
	Schema   string   `json:"schema"`
	URLs     []string `json:"urls"`
	Workload workload `json:"workload"`
	Settings []string `json:"settings"`
	Takes    []take   `json:"takes"`

	dir, out string
}

const keptSchema = "layerscope.session/v1"

// openKept takes up a session, or begins one. Without -o there is nothing to come
// back to, and the session's directory is new.
func openKept(f *profileFlags, urls []string, w *workload, now time.Time) (*kept, error) {
	k := &kept{Schema: keptSchema, URLs: append([]string{}, urls...), Workload: *w, out: f.output, Settings: []string{
		f.serve, f.inject, f.target, f.server, f.commit, fmt.Sprint(f.host, f.device, f.python, f.noHLO, f.continuous, f.startStep, f.byStage, f.stages),
	}}
	if k.out == "" {
		k.out = now.UTC().Format("20060102T150405Z") + "_score"
	}
	k.dir = strings.TrimRight(k.out, "/") + ".session"
	if f.fresh {
		if err := os.RemoveAll(k.dir); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(filepath.Join(k.dir, "session.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return k, os.MkdirAll(k.dir, 0o755)
	} else if err != nil {
		return nil, err
	}
	var old kept
	if err := json.Unmarshal(text, &old); err != nil || old.Schema != keptSchema {
		return nil, &hintedError{fmt.Errorf("%s: no session of ours in session.json", k.dir), "--fresh throws it away"}
	}
	if !reflect.DeepEqual(old.Workload, k.Workload) || !reflect.DeepEqual(old.Settings, k.Settings) || !reflect.DeepEqual(old.URLs, k.URLs) {
		return nil, &hintedError{fmt.Errorf("%s: a session of another command line was left there", k.dir), "repeat that one, or --fresh throws it away"}
	}
	for _, t := range old.Takes {
		for i, dir := range t.Dirs {
			t.Dirs[i] = filepath.Join(k.dir, filepath.FromSlash(dir))
			if _, err := os.Stat(t.Dirs[i]); err != nil || !filepath.IsLocal(filepath.FromSlash(dir)) {
				return nil, &hintedError{fmt.Errorf("%s: capture %s has gone", k.dir, dir), "--fresh begins again"}
			}
		}
		k.Takes = append(k.Takes, t)
	}
	return k, nil
}

// add notes a capture that is in its place.
func (k *kept) add(t take, log string) error {
	k.Takes = append(k.Takes, t)
	out := *k
	out.Takes = nil
	for _, t := range k.Takes {
		dirs := make([]string, len(t.Dirs))
		for i, dir := range t.Dirs {
			rel, err := filepath.Rel(k.dir, dir)
			if err != nil {
				return err
			}
			dirs[i] = filepath.ToSlash(rel)
		}
		t.Dirs = dirs
		out.Takes = append(out.Takes, t)
	}
	text, err := json.MarshalIndent(&out, "", "  ")
	if err != nil {
		return err
	}
	temp := filepath.Join(k.dir, ".session.json")
	if err := os.WriteFile(temp, append(text, '\n'), 0o666); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(k.dir, "session.log"), []byte(log), 0o666); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(k.dir, "session.json"))
}

// tidy removes the directory of a session without captures.
func (k *kept) tidy() error {
	if len(k.Takes) > 0 {
		return nil
	}
	return os.RemoveAll(k.dir)
}
