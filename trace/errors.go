// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"strings"
)

// An InputError says what is wrong with an input file, and what to do.
type InputError struct {
	Path string
	Msg  string // what was found, what was wanted; with the offset where there is one
	Hint string // "" = none
	err  error
}

func (e *InputError) Error() string {
	if e.Path == "" {
		return e.Msg
	}
	return e.Path + ": " + e.Msg
}

func (e *InputError) Unwrap() error { return e.err }

// at gives an error the path it is about, keeping the hint of an InputError.
func at(path string, err error) error {
	if err == nil {
		return nil
	}
	err = inner(err)
	if e, ok := err.(*InputError); ok {
		if e.Path == "" {
			e.Path = path
		}
		return e
	}
	if strings.HasPrefix(err.Error(), path+":") || strings.Contains(err.Error(), " "+path+":") {
		return err
	}
	return &InputError{Path: path, Msg: err.Error(), err: err}
}

// inner is the InputError that an error is about, which says what and where by
// itself; others are returned as they are.
func inner(err error) error {
	var in *InputError
	if errors.As(err, &in) && in.Path != "" {
		return in
	}
	return err
}
