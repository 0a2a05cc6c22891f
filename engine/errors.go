// SPDX-License-Identifier: Apache-2.0

package engine

import "fmt"

// Error is a request that was refused before anything was computed, or an
// engine that cannot serve it. Code is stable and meant for programs:
//
//	empty_query                                         the query
//	missing_items, empty_items, too_many_items          the items
//	mixed_input_types                                   text and ids together
//	invalid_token_id_type, negative_token_id,           ids of the query, the
//	token_id_exceeds_vocab                              items or the labels
//	delimiter_in_input                                  the delimiter's id in the query or an item
//	sequence_too_long
//	missing_label_token_ids, empty_label_token_ids      the labels
//	invalid_algorithm
//	model_not_loaded                                    the engine is closed
//	out_of_memory                                       over the memory limit
//
// The first finding in that order is reported.
type Error struct {
	Code    string
	Param   string // the request's field, as in the HTTP API; "" for none
	Message string
	Err     error // the cause, if there is one
}

func (e *Error) Error() string { return e.Message + " (" + e.Code + ")" }

func (e *Error) Unwrap() error { return e.Err }

func refuse(code, param, format string, args ...any) *Error {
	return &Error{Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}
