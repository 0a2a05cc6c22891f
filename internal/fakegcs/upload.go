// SPDX-License-Identifier: Apache-2.0

package fakegcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// put is an upload in one request: attributes and media as parts of its body.
func (c *call) put() {
	_, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		c.fail(http.StatusBadRequest, err.Error())
		return
	}
	parts := multipart.NewReader(c.r.Body, params["boundary"])
	first, err := parts.NextRawPart()
	var meta attributes
	if err == nil {
		err = json.NewDecoder(first).Decode(&meta)
	}
	var media *multipart.Part
	if err == nil {
		media, err = parts.NextRawPart()
	}
	if err != nil {
		c.fail(http.StatusBadRequest, err.Error())
		return
	}
	if c.name == "" {
		c.name = meta.Name
	}
	path, size, sum, err := c.store(c.receiving(media))
	if err == nil {
		_, err = parts.NextRawPart() // the end must be there
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		c.fail(http.StatusBadRequest, err.Error()) // a broken connection, most likely
		return
	}
	if o, ok := c.commit(path, size, sum, meta); ok {
		c.answer(o.resource())
	}
}

func (s *server) store(from io.Reader) (path string, size int64, sum uint32, err error) {
	f, err := s.newFile()
	if err != nil {
		return "", 0, 0, err
	}
	h := crc32.New(castagnoli)
	size, err = io.CopyBuffer(io.MultiWriter(f, h), from, make([]byte, 32<<10))
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
	}
	return f.Name(), size, h.Sum32(), err
}

// An upload is a resumable session.
type upload struct {
	bucket  string
	meta    attributes
	query   map[string][]string // preconditions, held at the end
	file    *os.File
	size    int64
	sum     uint32
	created *object // once it is done
}

func (c *call) session() {
	u := &upload{bucket: c.bucket, query: c.q}
	if err := json.NewDecoder(c.r.Body).Decode(&u.meta); err != nil && !errors.Is(err, io.EOF) {
		c.fail(http.StatusBadRequest, err.Error())
		return
	}
	if u.meta.Name == "" {
		u.meta.Name = c.name
	}
	var err error
	if u.file, err = c.newFile(); err != nil {
		c.fail(http.StatusInternalServerError, err.Error())
		return
	}
	c.mu.Lock()
	id := "u" + strconv.Itoa(len(c.uploads)+1)
	c.uploads[id] = u
	c.mu.Unlock()
	c.w.Header().Set("Location", "http://"+c.r.Host+"/upload/storage/v1/b/"+c.bucket+"/o?uploadType=resumable&upload_id="+id)
	c.answer(struct{}{})
}

func (c *call) uploadOf() *upload {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uploads[c.q.Get("upload_id")]
}

// chunk takes bytes of a session. They must begin where the last ones ended;
// all but the last must be a multiple of 256 KiB.
func (c *call) chunk() {
	u := c.uploadOf()
	if u == nil {
		c.fail(http.StatusNotFound, "no such upload")
		return
	}
	if u.created != nil {
		c.answer(u.created.resource())
		return
	}
	first, total, query, err := parseRange(c.r.Header.Get("Content-Range"))
	switch {
	case err != nil:
		c.fail(http.StatusBadRequest, err.Error())
		return
	case query && total != u.size:
		c.incomplete(u)
		return
	case !query && first != u.size:
		c.fail(http.StatusServiceUnavailable, fmt.Sprintf("offset %d, wanted %d", first, u.size))
		return
	}
	n, err := u.take(c)
	switch {
	case err != nil:
		c.fail(http.StatusServiceUnavailable, err.Error())
		return
	case total < 0 && n%(256<<10) != 0:
		c.fail(http.StatusBadRequest, fmt.Sprintf("%d bytes, wanted a multiple of 256 KiB", n))
		return
	case total < 0 || u.size < total:
		c.incomplete(u)
		return
	}
	if sum, ok := strings.CutPrefix(c.r.Header.Get("X-Goog-Hash"), "crc32c="); ok {
		u.meta.CRC32C = sum
	}
	c.q, c.name = u.query, u.meta.Name
	if o, ok := c.commit(u.file.Name(), u.size, u.sum, u.meta); ok {
		u.created = o
		c.answer(o.resource())
	}
}

// take keeps what arrives in multiples of 256 KiB when the connection breaks, as
// the real one does.
func (u *upload) take(c *call) (int64, error) {
	h := crc32.New(castagnoli)
	n, err := io.Copy(io.MultiWriter(u.file, h), c.receiving(c.r.Body))
	if err != nil {
		keep := (u.size + n) / (256 << 10) * (256 << 10)
		if keep <= u.size { // nothing new
			keep = u.size
		}
		if err := u.cut(keep); err != nil {
			return 0, err
		}
		return 0, err
	}
	u.size += n
	return n, u.resum()
}

func (u *upload) cut(size int64) error {
	u.size = size
	if err := u.file.Truncate(size); err != nil {
		return err
	}
	return u.resum()
}

// resum sums the file, and stands at its end.
func (u *upload) resum() error {
	h := crc32.New(castagnoli)
	if _, err := u.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(h, u.file)
	u.sum = h.Sum32()
	return err
}

// incomplete is 308 with what is there, or what stands for it when the client
// asks for that.
func (c *call) incomplete(u *upload) {
	if u.size > 0 {
		c.w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", u.size-1))
	}
	if c.r.Header.Get("X-GUploader-No-308") == "yes" {
		c.w.Header().Set("X-Http-Status-Code-Override", "308")
		c.w.WriteHeader(http.StatusOK)
		return
	}
	c.w.WriteHeader(http.StatusPermanentRedirect)
}

// parseRange reads bytes A-B/N, bytes A-B/* and bytes */N; the last one carries
// no bytes: it asks how far the upload is, or ends it. total is -1 when unknown.
func parseRange(text string) (first, total int64, query bool, err error) {
	part, size, ok := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	total = -1
	if ok && size != "*" {
		total, err = strconv.ParseInt(size, 10, 64)
	}
	if part == "*" {
		return 0, total, true, err
	}
	a, _, dash := strings.Cut(part, "-")
	if !ok || !dash || err != nil {
		return 0, 0, false, fmt.Errorf("content range %q", text)
	}
	first, err = strconv.ParseInt(a, 10, 64)
	return first, total, false, err
}
