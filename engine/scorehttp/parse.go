// SPDX-License-Identifier: Apache-2.0

package scorehttp

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/layerscope/layerscope/engine"
)

// A parser reads the fields of a body; the first thing wrong is kept.
type parser struct{ failed *failure }

func (p *parser) fail(code, param, format string, args ...any) {
	if p.failed == nil {
		f := invalid(code, param, format, args...)
		p.failed = &f
	}
}

// absent says whether a field is missing or null.
func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(raw, []byte("null"))
}

func (p *parser) query(raw json.RawMessage, req *engine.Request) {
	switch {
	case absent(raw):
		p.fail("missing_query", "query", "Query is missing, wanted text or a list of token ids")
	case raw[0] == '"':
		_ = json.Unmarshal(raw, &req.Query) // it is a string
		if req.Query == "" {
			p.fail("empty_query", "query", "Query is empty, wanted text or token ids")
		}
	case raw[0] == '[':
		if req.QueryIDs = p.ids(raw, "query", "Query"); len(req.QueryIDs) == 0 {
			p.fail("empty_query", "query", "Query is an empty list, wanted text or token ids")
		}
	default:
		p.fail("invalid_query_type", "query", "Query is %.40s, wanted text or a list of token ids", raw)
	}
}

func (p *parser) items(raw json.RawMessage, req *engine.Request) {
	if absent(raw) {
		p.fail("missing_items", "items", "Items are missing, wanted a list of texts or of token id lists")
		return
	}
	if raw[0] == '"' { // a lone text is one item
		var item string
		_ = json.Unmarshal(raw, &item)
		req.Items = []string{item}
		return
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		p.fail("invalid_items_type", "items", "Items are %.40s, wanted a list of texts or of token id lists", raw)
		return
	}
	if len(list) == 0 {
		p.fail("empty_items", "items", "Items are an empty list, wanted at least one item")
		return
	}
	texts, lists := 0, 0
	for _, item := range list {
		switch item[0] {
		case '"':
			texts++
		case '[':
			lists++
		}
	}
	switch {
	case texts > 0 && lists > 0:
		p.fail("mixed_input_types", "items", "Items mix %d texts and %d token id lists, wanted one kind", texts, lists)
	case texts+lists < len(list):
		p.fail("invalid_items_type", "items", "Items hold something else than texts or token id lists: %.40s", odd(list))
	case texts > 0:
		for _, item := range list {
			var text string
			_ = json.Unmarshal(item, &text)
			req.Items = append(req.Items, text)
		}
	default:
		for i, item := range list {
			req.ItemIDs = append(req.ItemIDs, p.ids(item, "items", "Item "+strconv.Itoa(i)))
		}
	}
}

// odd returns the first element that is neither a text nor a list.
func odd(list []json.RawMessage) json.RawMessage {
	for _, item := range list {
		if item[0] != '"' && item[0] != '[' {
			return item
		}
	}
	return nil
}

func (p *parser) labels(raw json.RawMessage, req *engine.Request) {
	switch {
	case absent(raw):
		p.fail("missing_label_token_ids", "label_token_ids", "Label token ids are missing, wanted a list of token ids")
	case raw[0] != '[':
		p.fail("invalid_label_token_ids_type", "label_token_ids", "Label token ids are %.40s, wanted a list of token ids", raw)
	default:
		if req.Labels = p.ids(raw, "label_token_ids", "Label list"); req.Labels != nil && len(req.Labels) == 0 {
			p.fail("empty_label_token_ids", "label_token_ids", "Label token ids are an empty list, wanted at least one")
		}
	}
}

// ids reads a list of token ids. Values beyond int32 stay out of every
// vocabulary.
func (p *parser) ids(raw json.RawMessage, param, what string) []int32 {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		p.fail("invalid_token_id_type", param, "%s is not a list of token ids", what)
		return nil
	}
	out := make([]int32, 0, len(list))
	for _, item := range list {
		n, err := strconv.ParseInt(string(item), 10, 64)
		if err != nil {
			p.fail("invalid_token_id_type", param, "%s holds %.40s, wanted integers", what, item)
			return nil
		}
		out = append(out, int32(max(min(n, 1<<31-1), -1<<31)))
	}
	return out
}

func (p *parser) flag(raw json.RawMessage, param string) bool {
	if absent(raw) {
		return false
	}
	var v bool
	if json.Unmarshal(raw, &v) != nil {
		p.fail("invalid_"+param+"_type", param, "Field %s is %.40s, wanted true or false", param, raw)
	}
	return v
}

func (p *parser) text(raw json.RawMessage, param, code string) string {
	if absent(raw) {
		return ""
	}
	var v string
	if json.Unmarshal(raw, &v) != nil {
		p.fail(code, param, "Field %s is %.40s, wanted text", param, raw)
	}
	return v
}
