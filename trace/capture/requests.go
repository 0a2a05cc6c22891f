// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxRequests bounds what is read of requests, in bytes.
const maxRequests = 256 << 20

// ReadRequests reads scoring requests, the bodies of POST /v1/score: one JSON
// object, a list of them, or one after the other. Each has a query and items.
func ReadRequests(r io.Reader) ([]map[string]json.RawMessage, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxRequests+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRequests {
		return nil, fmt.Errorf("more than %d bytes of requests", maxRequests)
	}
	var out []map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		at := dec.InputOffset()
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("offset %#x: %w", at, err)
		}
		var list []map[string]json.RawMessage
		if raw[0] != '[' {
			raw = json.RawMessage("[" + string(raw) + "]")
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("offset %#x: wanted a scoring request, a JSON object: %w", at, err)
		}
		out = append(out, list...)
	}
	for i, o := range out {
		if o["query"] == nil || o["items"] == nil {
			return nil, fmt.Errorf("request %d has no query or no items", i+1)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no request in it")
	}
	return out, nil
}
