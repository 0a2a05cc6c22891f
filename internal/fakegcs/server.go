// SPDX-License-Identifier: Apache-2.0

package fakegcs

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An object is one generation of a name. Older ones are gone.
type object struct {
	bucket, name string
	generation   int64
	created      time.Time
	size         int64
	sum          uint32
	meta         attributes
	path         string
}

// attributes are what clients say about an object.
type attributes struct {
	Name            string            `json:"name,omitempty"`
	ContentType     string            `json:"contentType,omitempty"`
	ContentEncoding string            `json:"contentEncoding,omitempty"`
	StorageClass    string            `json:"storageClass,omitempty"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	CRC32C          string            `json:"crc32c,omitempty"`
}

type server struct {
	dir string

	mu         sync.Mutex
	generation int64
	buckets    map[string]map[string]*object
	uploads    map[string]*upload
	faults     []*Fault
	stats      Stats
	hold       chan struct{} // closed when held ones may go; nil: nothing is held
	holdBytes  int64         // of stats.Total; 0: none
	holdCount  int
}

func newServer(dir string) *server {
	s := &server{dir: dir, generation: 1_790_000_000_000_000, buckets: make(map[string]map[string]*object), uploads: make(map[string]*upload)}
	s.forget()
	return s
}

func (s *server) forget() {
	s.faults, s.stats = nil, Stats{Requests: make(map[string]int), Received: make(map[string]int64), Served: make(map[string]int64)}
}

// A call is one request about an object or a bucket.
type call struct {
	*server
	w            http.ResponseWriter
	r            *http.Request
	q            url.Values
	op           string
	bucket, name string
	fault        Fault
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_fake/") {
		s.control(w, r)
		return
	}
	c := &call{server: s, w: w, r: r, q: r.URL.Query()}
	if !c.route() {
		c.fail(http.StatusNotImplemented, "the fake doesn't know "+r.Method+" "+r.URL.Path)
		return
	}
	if c.op == "bucket" {
		c.makeBucket()
		return
	}
	c.begin()
	if c.fault.Kind == "status" {
		_, _ = io.Copy(io.Discard, r.Body)
		if c.fault.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(c.fault.RetryAfter))
		}
		c.fail(c.fault.Status, "as was asked for")
		return
	}
	s.mu.Lock()
	_, known := s.buckets[c.bucket]
	s.mu.Unlock()
	if !known {
		c.fail(http.StatusNotFound, "The specified bucket does not exist.")
		return
	}
	map[string]func(){"put": c.put, "resumable": c.session, "chunk": c.chunk, "read": c.read, "stat": c.stat, "list": c.list, "compose": c.compose, "delete": c.remove, "attrs": c.bucketAttrs}[c.op]()
}

// route finds out what is asked for.
func (c *call) route() bool {
	p := c.r.URL.EscapedPath()
	upload := false
	if rest, ok := strings.CutPrefix(p, "/upload"); ok {
		p, upload = rest, true
	}
	p, ok := strings.CutPrefix(p, "/storage/v1/b")
	if !ok {
		return c.routeXML()
	}
	parts := strings.Split(strings.TrimPrefix(p, "/"), "/")
	for i, part := range parts {
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return false
		}
	}
	c.bucket = parts[0]
	if len(parts) > 2 {
		c.name = parts[2]
	}
	switch method := c.r.Method; {
	case upload && c.q.Get("upload_id") != "":
		c.op = "chunk"
		if u := c.uploadOf(); u != nil {
			c.name = u.meta.Name
		}
	case upload && method == http.MethodPost && len(parts) == 2 && c.q.Get("uploadType") == "multipart":
		c.op = "put"
		c.name = c.q.Get("name")
	case upload && method == http.MethodPost && len(parts) == 2 && c.q.Get("uploadType") == "resumable":
		c.op = "resumable"
		c.name = c.q.Get("name")
	case method == http.MethodPost && c.bucket == "":
		c.op = "bucket"
	case method == http.MethodGet && len(parts) == 1:
		c.op = "attrs"
	case method == http.MethodGet && len(parts) == 2:
		c.op = "list"
		c.name = c.q.Get("prefix")
	case method == http.MethodGet && len(parts) == 3 && c.q.Get("alt") == "media":
		c.op = "read"
	case method == http.MethodGet && len(parts) == 3:
		c.op = "stat"
	case method == http.MethodDelete && len(parts) == 3:
		c.op = "delete"
	case method == http.MethodPost && len(parts) == 4 && parts[3] == "compose":
		c.op = "compose"
	default:
		return false
	}
	return true
}

// routeXML is for GET /bucket/object, of the XML API.
func (c *call) routeXML() bool {
	var ok bool
	c.bucket, c.name, ok = strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/"), "/")
	c.op = "read"
	if g := c.r.Header.Get("X-Goog-If-Generation-Match"); g != "" {
		c.q.Set("ifGenerationMatch", g)
	}
	return ok && c.name != "" && c.r.Method == http.MethodGet
}

func (c *call) makeBucket() {
	var b struct {
		Name string `json:"name"`
	}
	if err := json.NewDecoder(c.r.Body).Decode(&b); err != nil || b.Name == "" {
		c.fail(http.StatusBadRequest, "no name")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.buckets[b.Name] == nil {
		c.buckets[b.Name] = make(map[string]*object)
	}
	c.answer(map[string]string{"kind": "storage#bucket", "name": b.Name})
}

func (c *call) bucketAttrs() {
	c.answer(map[string]string{"kind": "storage#bucket", "name": c.bucket, "location": "US"})
}

// unmet says whether a precondition of the request fails for what is there now.
// The caller holds the lock.
func (c *call) unmet() bool {
	text := c.q.Get("ifGenerationMatch")
	if text == "" {
		return false
	}
	want, err := strconv.ParseInt(text, 10, 64)
	var now int64
	if o := c.buckets[c.bucket][c.name]; o != nil {
		now = o.generation
	}
	return err != nil || want != now
}

// commit makes a file the newest generation of a name, if the preconditions
// hold and the checksum is the one that was announced.
func (c *call) commit(path string, size int64, sum uint32, meta attributes) (*object, bool) {
	if meta.CRC32C != "" && meta.CRC32C != encodeSum(sum) {
		c.fail(http.StatusBadRequest, fmt.Sprintf("Provided CRC32C %q doesn't match calculated CRC32C %q.", meta.CRC32C, encodeSum(sum)))
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unmet() {
		c.fail(http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold.")
		return nil, false
	}
	c.generation += 1000
	o := &object{bucket: c.bucket, name: c.name, generation: c.generation, created: time.Now().UTC(), size: size, sum: sum, meta: meta, path: path}
	if old := c.buckets[c.bucket][c.name]; old != nil {
		_ = os.Remove(old.path) // readers have it open
	}
	c.buckets[c.bucket][c.name] = o
	return o, true
}

func (s *server) newFile() (*os.File, error) { return os.CreateTemp(s.dir, "o-") }

func encodeSum(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// resource is an object as the API describes it.
func (o *object) resource() map[string]any {
	return map[string]any{
		"kind": "storage#object", "id": o.bucket + "/" + o.name + "/" + strconv.FormatInt(o.generation, 10), "name": o.name, "bucket": o.bucket,
		"generation": strconv.FormatInt(o.generation, 10), "metageneration": "1", "size": strconv.FormatInt(o.size, 10), "crc32c": encodeSum(o.sum),
		"contentType": o.meta.ContentType, "contentEncoding": o.meta.ContentEncoding, "storageClass": o.meta.StorageClass, "metadata": o.meta.Metadata,
		"timeCreated": o.created.Format(time.RFC3339Nano), "updated": o.created.Format(time.RFC3339Nano), "etag": strconv.FormatInt(o.generation, 36),
	}
}

func (c *call) answer(v any) {
	if c.fault.Kind == "lost" {
		panic(http.ErrAbortHandler)
	}
	c.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(c.w).Encode(v) // the client is gone
}

func (c *call) fail(code int, message string) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(code)
	_ = json.NewEncoder(c.w).Encode(map[string]any{"error": map[string]any{"code": code, "message": message, "errors": []map[string]string{{"message": message, "reason": http.StatusText(code)}}}})
}

// control answers the test.
func (s *server) control(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch filepath.Base(r.URL.Path) {
	case "faults":
		var list []*Fault
		err = json.NewDecoder(r.Body).Decode(&list)
		s.faults = append(s.faults, list...)
	case "hold":
		var at struct{ Bytes, Requests int64 }
		err = json.NewDecoder(r.Body).Decode(&at)
		if s.hold != nil {
			close(s.hold)
			s.hold = nil
		}
		s.holdBytes, s.holdCount, s.stats.Holding = 0, 0, false
		if at.Bytes > 0 {
			s.holdBytes = s.stats.Total + at.Bytes
		}
		if at.Requests > 0 {
			s.holdCount = s.stats.Count + int(at.Requests)
		}
	case "forget":
		s.forget()
	case "stats":
		s.stats.Objects = make(map[string]int64)
		for b, names := range s.buckets {
			for n, o := range names {
				s.stats.Objects[b+"/"+n] = o.size
			}
		}
		err = json.NewEncoder(w).Encode(s.stats)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// begin counts a request, finds its fault, and waits where traffic is held.
func (c *call) begin() {
	c.mu.Lock()
	c.stats.Requests[c.op]++
	c.stats.Count++
	for i, f := range c.faults {
		if f.Op != "" && f.Op != c.op || !strings.Contains(c.name, f.Name) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		c.fault = *f
		if f.Count--; f.Count <= 0 {
			c.faults = slices.Delete(c.faults, i, i+1)
		}
		break
	}
	if c.holdCount > 0 && c.stats.Count >= c.holdCount {
		c.startHold()
	}
	wait := c.hold
	c.mu.Unlock()
	if wait != nil {
		<-wait
	}
}

func (s *server) startHold() {
	if s.hold == nil {
		s.hold = make(chan struct{})
	}
	s.stats.Holding = true
}
