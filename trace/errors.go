// SPDX-License-Identifier: Apache-2.0

package trace

import "strings"

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
