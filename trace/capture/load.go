// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// maxScores bounds the answer to a scoring request.
const maxScores = 64 << 20

// A Load sends scoring requests to a server.
type Load struct {
	// URL is that of the server, to whose /v1/score requests go.
	URL string
	Key string
	// Bodies are sent in turn, JSON objects.
	Bodies [][]byte
	// Concurrency is how many are under way at a time; 0 = 1.
	Concurrency int
	// Timeout of a request; 0 = 10 min: the first of a shape may compile.
	Timeout time.Duration
	// Prefix begins the X-Request-Id of each request; "" = none is sent.
	Prefix string

	once sync.Once
	web  *web
	next atomic.Int64
}

// A Call is one request that was sent.
type Call struct {
	ID      string        `json:"id,omitempty"`
	Body    int           `json:"body"` // index into Bodies
	Begin   time.Time     `json:"begin"`
	Latency time.Duration `json:"latency_ns"`
	Status  int           `json:"status"` // of HTTP; 0 = no answer
	Err     string        `json:"error,omitempty"`
	// Misses counts the programs compiled for the request, where the server
	// says so; -1 = it doesn't.
	Misses int `json:"compile_misses"`
}

// Failed says that the call brought no scores.
func (c *Call) Failed() bool { return c.Err != "" }

// Run sends requests until n are done, or until is closed; n = 0 means no number.
// Requests under way are finished, unless the context ends: those that it cuts off
// are left out. The others are returned in the order of their begin; those that
// fail are calls too.
func (l *Load) Run(ctx context.Context, n int, until <-chan struct{}) []Call {
	l.once.Do(func() { l.web = newWeb(l.URL, l.Key) })
	var (
		mu    sync.Mutex
		calls []Call
		sent  atomic.Int64
		group sync.WaitGroup
	)
	for range max(1, l.Concurrency) {
		group.Go(func() {
			for k := sent.Add(1); (n == 0 || k <= int64(n)) && ctx.Err() == nil && !isClosed(until); k = sent.Add(1) {
				c := l.one(ctx, int((k-1)%int64(len(l.Bodies))))
				if c.Failed() && ctx.Err() != nil {
					return
				}
				mu.Lock()
				calls = append(calls, c)
				mu.Unlock()
				if c.Failed() { // a server that is down is not hammered
					select {
					case <-time.After(50 * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	group.Wait()
	sortCalls(calls)
	return calls
}

// Close lets connections go.
func (l *Load) Close() {
	if l.web != nil {
		l.web.close()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// one sends one request. The clock stops when the answer is read.
func (l *Load) one(ctx context.Context, body int) Call {
	limit := l.Timeout
	if limit <= 0 {
		limit = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := Call{Body: body, Misses: -1}
	if l.Prefix != "" {
		c.ID = l.Prefix + "-" + strconv.FormatInt(l.next.Add(1), 10)
	}
	c.Begin = time.Now()
	answer, status, err := l.post(ctx, c.ID, l.Bodies[body])
	c.Latency = time.Since(c.Begin)
	c.Status = status
	if err == nil {
		c.Misses, err = readScores(answer, status)
	}
	if err != nil {
		c.Err = err.Error()
	}
	return c
}

func (l *Load) post(ctx context.Context, id string, body []byte) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.web.base+"/v1/score", bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "layerscope")
	if id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	if l.Key != "" {
		req.Header.Set("Authorization", "Bearer "+l.Key)
	}
	resp, err := l.web.client.Do(req)
	if err != nil {
		return nil, 0, unwrapURL(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxScores+1))
	if err == nil && len(answer) > maxScores {
		err = fmt.Errorf("an answer of more than %d bytes", maxScores)
	}
	return answer, resp.StatusCode, err
}

// readScores wants an answer with scores. Errors of both shapes in use are
// understood.
func readScores(text []byte, status int) (misses int, err error) {
	var answer struct {
		Scores  []json.RawMessage `json:"scores"`
		Message string            `json:"message"`
		Error   json.RawMessage   `json:"error"`
		Meta    struct {
			Misses *int `json:"cache_miss_count"`
		} `json:"meta_info"`
	}
	err = json.Unmarshal(text, &answer)
	switch {
	case status != http.StatusOK:
		var nested struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(answer.Error, &nested) // the other shape is looked at too
		message := answer.Message
		if message == "" {
			message = nested.Message
		}
		if message == "" {
			message = string(text[:min(len(text), 200)])
		}
		return -1, fmt.Errorf("HTTP status %d: %s", status, firstBytes(message, 300))
	case err != nil:
		return -1, fmt.Errorf("the answer is no JSON: %w", err)
	case answer.Scores == nil:
		return -1, errors.New("the answer has no scores")
	case answer.Meta.Misses == nil:
		return -1, nil
	}
	return *answer.Meta.Misses, nil
}
