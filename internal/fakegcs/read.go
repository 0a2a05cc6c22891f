// SPDX-License-Identifier: Apache-2.0

package fakegcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// find returns the object asked for, and answers when there is none.
func (c *call) find() *object {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.buckets[c.bucket][c.name]
	g := c.q.Get("generation")
	if o == nil || g != "" && g != strconv.FormatInt(o.generation, 10) {
		c.fail(http.StatusNotFound, "No such object: "+c.bucket+"/"+c.name)
		return nil
	}
	if c.unmet() {
		c.fail(http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold.")
		return nil
	}
	return o
}

func (c *call) stat() {
	if o := c.find(); o != nil {
		c.answer(o.resource())
	}
}

func (c *call) remove() {
	o := c.find()
	if o == nil {
		return
	}
	c.mu.Lock()
	delete(c.buckets[c.bucket], c.name)
	c.mu.Unlock()
	_ = os.Remove(o.path)
	if c.fault.Kind == "lost" {
		panic(http.ErrAbortHandler)
	}
	c.w.WriteHeader(http.StatusNoContent)
}

func (c *call) read() {
	o := c.find()
	if o == nil {
		return
	}
	f, err := os.Open(o.path)
	if err != nil {
		c.fail(http.StatusInternalServerError, err.Error())
		return
	}
	defer f.Close()
	h := c.w.Header()
	h.Set("X-Goog-Generation", strconv.FormatInt(o.generation, 10))
	h.Set("X-Goog-Metageneration", "1")
	h.Set("X-Goog-Hash", "crc32c="+encodeSum(o.sum))
	h.Set("X-Goog-Stored-Content-Length", strconv.FormatInt(o.size, 10))
	h.Set("Content-Type", o.meta.ContentType)
	h.Set("Last-Modified", o.created.Format(http.TimeFormat))
	first, last := int64(0), o.size-1
	code := http.StatusOK
	if text := c.r.Header.Get("Range"); text != "" {
		if first, last, err = byteRange(text, o.size); err != nil {
			c.fail(http.StatusRequestedRangeNotSatisfiable, err.Error())
			return
		}
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, o.size))
		code = http.StatusPartialContent
	}
	h.Set("Content-Length", strconv.FormatInt(last-first+1, 10))
	c.w.WriteHeader(code)
	b := c.serving(c.w)
	if c.fault.Kind != "" && c.fault.Bytes == 0 {
		b.pass(nil)
	}
	_, _ = io.Copy(b, io.NewSectionReader(f, first, last-first+1)) // the client may be gone
}

func byteRange(text string, size int64) (first, last int64, err error) {
	a, b, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	if !ok {
		return 0, 0, fmt.Errorf("range %q", text)
	}
	last = size - 1
	if first, err = strconv.ParseInt(a, 10, 64); err != nil {
		return 0, 0, err
	}
	if b != "" {
		if last, err = strconv.ParseInt(b, 10, 64); err != nil {
			return 0, 0, err
		}
		last = min(last, size-1)
	}
	if first > last {
		return 0, 0, errors.New("the requested range cannot be satisfied")
	}
	return first, last, nil
}

// pageSize is small, so that tests see several pages.
const pageSize = 50

func (c *call) list() {
	c.mu.Lock()
	var names []string
	for n := range c.buckets[c.bucket] {
		if strings.HasPrefix(n, c.q.Get("prefix")) && n > c.q.Get("pageToken") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	token := ""
	size := pageSize
	if n, err := strconv.Atoi(c.q.Get("maxResults")); err == nil && n > 0 {
		size = min(size, n)
	}
	if len(names) > size {
		names = names[:size]
		token = names[size-1]
	}
	items := []map[string]any{}
	for _, n := range names {
		items = append(items, c.buckets[c.bucket][n].resource())
	}
	c.mu.Unlock()
	answer := map[string]any{"kind": "storage#objects", "items": items}
	if token != "" {
		answer["nextPageToken"] = token
	}
	c.answer(answer)
}

// compose joins up to 32 objects, each of the generation that is asked for.
func (c *call) compose() {
	var q struct {
		Destination   attributes `json:"destination"`
		SourceObjects []struct {
			Name       string `json:"name"`
			Generation string `json:"generation"`
		} `json:"sourceObjects"`
	}
	if err := json.NewDecoder(c.r.Body).Decode(&q); err != nil {
		c.fail(http.StatusBadRequest, err.Error())
		return
	}
	if n := len(q.SourceObjects); n == 0 || n > 32 {
		c.fail(http.StatusBadRequest, fmt.Sprintf("The number of source components provided (%d) is not in 1 to 32.", n))
		return
	}
	var from []io.Reader
	for _, src := range q.SourceObjects {
		c.mu.Lock()
		o := c.buckets[c.bucket][src.Name]
		c.mu.Unlock()
		if o == nil || src.Generation != "" && src.Generation != strconv.FormatInt(o.generation, 10) {
			c.fail(http.StatusNotFound, "Object "+src.Name+" not found.")
			return
		}
		f, err := os.Open(o.path)
		if err != nil {
			c.fail(http.StatusNotFound, "Object "+src.Name+" not found.")
			return
		}
		defer f.Close()
		from = append(from, f)
	}
	path, size, sum, err := c.store(io.MultiReader(from...))
	if err != nil {
		c.fail(http.StatusInternalServerError, err.Error())
		return
	}
	if o, ok := c.commit(path, size, sum, q.Destination); ok {
		c.answer(o.resource())
	}
}
