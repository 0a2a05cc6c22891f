// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A repository is the git repository that the program was called in. Nothing
// here touches the user's tree, index, branches or stashes: of what git sees
// only worktree entries of ours come and go, and objects may be added.
type repository struct {
	top    string // its working tree
	common string // its .git directory, shared by all worktrees
	prefix string // where in the tree the caller stands
}

// A revision is one side's code.
type revision struct {
	Name    string `json:"name"` // as asked for
	Commit  string `json:"commit"`
	Unix    int64  `json:"commit_unix"`
	Subject string `json:"subject"`
	Dirty   bool   `json:"dirty"` // a snapshot of the working tree, on top of HEAD
}

// git runs git in dir, "" = here. Hooks don't run and no lock is taken that
// isn't needed; what an enclosing hook set up for itself is not passed on.
func git(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(withoutGit(cmd.Environ()), "LC_ALL=C")
	cmd.Env = append(cmd.Env, env...)
	ownGroup(cmd)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		said := strings.TrimSpace(stderr.String())
		if said == "" {
			said = err.Error()
		}
		return "", fmt.Errorf("git %s: %s", args[0], strings.TrimPrefix(said, "fatal: "))
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// withoutGit drops what points git at another repository or index.
func withoutGit(env []string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE":
		default:
			out = append(out, kv)
		}
	}
	return out
}

func findRepository(ctx context.Context) (*repository, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, &hintedError{errors.New("compare-commits needs git, which is not on the PATH"), "layerscope diff compares captures that are there already"}
	}
	out, err := git(ctx, "", nil, "rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir", "--show-prefix")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	lines := strings.Split(out, "\n")
	if err != nil || len(lines) < 2 {
		return nil, &hintedError{errors.New("compare-commits: this is not the working tree of a git repository"), "change to the repository whose commits are meant"}
	}
	r := &repository{top: lines[0], common: lines[1]}
	if len(lines) > 2 {
		r.prefix = lines[2]
	}
	return r, nil
}

// resolve finds out which code a side means: a commit, branch or tag, or the
// working tree as it is (".").
func (r *repository) resolve(ctx context.Context, name string) (revision, error) {
	rev := revision{Name: name}
	var err error
	if name == "." || name == "WORKTREE" {
		rev.Name = "WORKTREE"
		if rev.Commit, rev.Dirty, err = r.snapshot(ctx); err != nil {
			return rev, err
		}
	} else if rev.Commit, err = git(ctx, r.top, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}"); err != nil {
		if ctx.Err() != nil {
			return rev, err
		}
		return rev, r.unknown(ctx, name)
	}
	out, err := git(ctx, r.top, nil, "show", "--no-patch", "--no-show-signature", "--format=%ct%n%s", rev.Commit)
	if err != nil {
		return rev, err
	}
	seconds, subject, _ := strings.Cut(out, "\n")
	rev.Subject = subject
	rev.Unix, err = strconv.ParseInt(seconds, 10, 64)
	return rev, err
}

// unknown is the error for a name that is no commit, with the nearest that is.
func (r *repository) unknown(ctx context.Context, name string) error {
	hint := "git log --oneline --all lists the commits; \".\" is the working tree as it is"
	if refs, err := git(ctx, r.top, nil, "for-each-ref", "--format=%(refname:short)"); err == nil {
		if near := nearest(name, strings.Fields(refs)); near != "" {
			hint = "did you mean " + near + "?"
		}
	}
	return &hintedError{fmt.Errorf("compare-commits: %q is no commit, branch or tag of %s", name, r.top), hint}
}

// snapshot makes a commit of the working tree, untracked files included, that no
// branch knows of. It is made from a copy of the index, and is the same for the
// same content; HEAD itself when nothing differs.
func (r *repository) snapshot(ctx context.Context) (commit string, dirty bool, err error) {
	head, err := git(ctx, r.top, nil, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return "", false, fmt.Errorf("compare-commits: %s has no commit yet", r.top)
	}
	temp, err := os.MkdirTemp("", "layerscope-index-")
	if err != nil {
		return "", false, err
	}
	defer os.RemoveAll(temp)
	index := filepath.Join(temp, "index")
	own, err := git(ctx, r.top, nil, "rev-parse", "--path-format=absolute", "--git-path", "index")
	if err != nil {
		return "", false, err
	}
	if err := copyIfThere(own, index); err != nil {
		return "", false, err
	}
	with := []string{"GIT_INDEX_FILE=" + index}
	if _, err := git(ctx, r.top, with, "-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false", "-c", "core.splitIndex=false", "add", "--all"); err != nil {
		return "", false, err
	}
	tree, err := git(ctx, r.top, with, "write-tree")
	if err != nil {
		return "", false, err
	}
	out, err := git(ctx, r.top, nil, "show", "--no-patch", "--no-show-signature", "--format=%T %ct", head)
	if err != nil {
		return "", false, err
	}
	headTree, seconds, _ := strings.Cut(out, " ")
	if tree == headTree {
		return head, false, nil
	}
	who := []string{
		"GIT_AUTHOR_NAME=layerscope", "GIT_AUTHOR_EMAIL=layerscope@localhost", "GIT_AUTHOR_DATE=@" + seconds + " +0000",
		"GIT_COMMITTER_NAME=layerscope", "GIT_COMMITTER_EMAIL=layerscope@localhost", "GIT_COMMITTER_DATE=@" + seconds + " +0000",
	}
	commit, err = git(ctx, r.top, who, "-c", "commit.gpgSign=false", "commit-tree", tree, "-p", head, "-m", "working tree on top of "+head[:7])
	return commit, true, err
}

func copyIfThere(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing was ever added
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// checkout makes a worktree of a commit at path, which must not exist.
func (r *repository) checkout(ctx context.Context, path, commit string) error {
	_, err := git(ctx, r.top, nil, "worktree", "add", "--quiet", "--detach", path, commit)
	return err
}

// remove removes a worktree of ours, whatever is in it, also when its directory
// has gone, or git was killed while it made it (it is locked then: hence the
// second --force).
func (r *repository) remove(path string) error {
	ctx := context.Background() // an interrupt doesn't keep it from tidying up
	_, err := git(ctx, r.top, nil, "worktree", "remove", "--force", "--force", path)
	if gone := os.RemoveAll(path); gone != nil {
		return gone
	}
	if err != nil {
		known, listErr := git(ctx, r.top, nil, "worktree", "list", "--porcelain")
		if listErr == nil && !strings.Contains(known+"\n", "worktree "+path+"\n") {
			return nil // removed already
		}
	}
	return err
}
