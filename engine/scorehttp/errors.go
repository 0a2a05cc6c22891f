// SPDX-License-Identifier: Apache-2.0

package scorehttp

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/layerscope/layerscope/engine"
)

// A failure is an answer that is no score. Both shapes in use are in one body:
// flat fields with the HTTP status as code, as sglang-jax answers, and a nested
// error with a string code.
type failure struct {
	status  int
	kind    string // type
	code    string
	param   string
	message string
}

var (
	unauthorized  = failure{http.StatusUnauthorized, "authentication_error", "invalid_api_key", "", "The request has no valid bearer key"}
	internalError = failure{http.StatusInternalServerError, "server_error", "internal_error", "", "Something went wrong; the log has the request id"}
	overloaded    = failure{http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded", "", "Too many requests are waiting; try again later"}
	drainingNow   = failure{http.StatusServiceUnavailable, "server_error", "draining", "", "The server is shutting down"}
)

func invalid(code, param, format string, args ...any) failure {
	kind := "invalid_request_error"
	switch {
	case strings.HasPrefix(code, "missing_"):
		kind = "missing_parameter_error"
	case strings.HasPrefix(code, "empty_"), strings.HasSuffix(code, "_token_id"), code == "token_id_exceeds_vocab":
		kind = "invalid_value_error"
	}
	f := failure{http.StatusBadRequest, kind, code, param, fmt.Sprintf(format, args...)}
	if code == "token_id_exceeds_vocab" {
		f.status = http.StatusUnprocessableEntity
	}
	return f
}

// refused turns an engine's refusal into an answer.
func refused(err *engine.Error) failure {
	switch err.Code {
	case "model_not_loaded":
		return failure{http.StatusInternalServerError, "model_error", err.Code, err.Param, err.Message}
	case "out_of_memory":
		return failure{http.StatusServiceUnavailable, "server_error", err.Code, err.Param, err.Message}
	}
	return invalid(err.Code, err.Param, "%s", err.Message)
}

func fail(w http.ResponseWriter, f failure) {
	var param any
	if f.param != "" {
		param = f.param
	}
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	reply(w, f.status, map[string]any{
		"object": "error", "message": f.message, "type": f.kind, "param": param, "code": f.status,
		"error": map[string]any{"message": f.message, "type": f.kind, "param": param, "code": f.code},
	})
}
