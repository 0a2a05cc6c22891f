// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Status codes of gRPC that mean something here.
const (
	codeNotFound      = 5
	codeUnimplemented = 12
	codeInternal      = 13
)

// maxTimeout is what fits into a grpc-timeout, which has at most eight digits, in
// milliseconds: more than a day.
const maxTimeout = 99_999_999

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// A statusError is an answer that is not OK.
type statusError struct {
	method  string
	code    int
	message string
}

func (e *statusError) Error() string {
	name := strconv.Itoa(e.code)
	if e.code >= 0 && e.code < len(codeNames) {
		name = codeNames[e.code]
	}
	if e.message == "" {
		return fmt.Sprintf("%s: %s", e.method, name)
	}
	return fmt.Sprintf("%s: %s: %s", e.method, name, e.message)
}

// hasCode says whether err is an answer with this code.
func hasCode(err error, code int) bool {
	var s *statusError
	return errors.As(err, &s) && s.code == code
}

// An rpc is the connection to one gRPC service over plain-text HTTP/2.
//
// Note: grpc-go does the same with some 110 more packages in the binary, and
// keeps a whole reply in memory; here it goes to the disk as it comes.
type rpc struct {
	base    string // "http://host:port/tensorflow.ProfilerService/"
	address string
	client  *http.Client
}

func newRPC(address string) *rpc {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &rpc{
		base: "http://" + address + "/tensorflow.ProfilerService/", address: address,
		client: &http.Client{
			Transport: &http.Transport{
				Protocols: &protocols, DialContext: dialer.DialContext, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
				// A window is silent until it ends: pings tell that from a server that has gone.
				HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *rpc) close() { c.client.CloseIdleConnections() }

// call calls a method with one message and reads one message back. handle gets
// the message as a stream with its length, which is not more than limit; it must
// read all of it. The context's deadline is sent along.
func (c *rpc) call(ctx context.Context, method string, message []byte, limit int64, handle func(r io.Reader, size int64) error) error {
	body := make([]byte, 5, 5+len(message))
	binary.BigEndian.PutUint32(body[1:], uint32(len(message)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+method, bytes.NewReader(append(body, message...)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc+proto")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", "layerscope")
	if deadline, ok := ctx.Deadline(); ok {
		req.Header.Set("Grpc-Timeout", strconv.FormatInt(min(max(1, time.Until(deadline).Milliseconds()), maxTimeout), 10)+"m")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", c.address, method, unwrapURL(err))
	}
	defer resp.Body.Close()
	if err := c.checkHead(resp, method); err != nil {
		return err
	}
	if resp.Header.Get("Grpc-Status") != "" { // an answer of trailers alone
		return c.status(resp.Header, method)
	}
	if err := c.message(resp.Body, method, limit, handle); err != nil {
		if _, drained := io.CopyN(io.Discard, resp.Body, 1); errors.Is(err, errNoMessage) && errors.Is(drained, io.EOF) {
			return errors.Join(c.status(resp.Trailer, method)) // a status without a message
		}
		return err
	}
	return c.status(resp.Trailer, method)
}

var errNoMessage = errors.New("no message in the reply")

// message reads the frame of the one message, and wants nothing behind it.
func (c *rpc) message(r io.Reader, method string, limit int64, handle func(io.Reader, int64) error) error {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %s: %w", c.address, method, errNoMessage)
	} else if err != nil {
		return fmt.Errorf("%s: %s: reading the reply: %w", c.address, method, err)
	}
	size := int64(binary.BigEndian.Uint32(head[1:]))
	switch {
	case head[0] != 0:
		return fmt.Errorf("%s: %s: the reply is compressed (flag %d), which nobody asked for", c.address, method, head[0])
	case size > limit:
		return fmt.Errorf("%s: %s: a reply of %d bytes, wanted at most %d; capture less, or raise the limit", c.address, method, size, limit)
	}
	body := &io.LimitedReader{R: r, N: size}
	if err := handle(body, size); err != nil {
		return fmt.Errorf("%s: %s: %w", c.address, method, err)
	}
	if body.N != 0 {
		return fmt.Errorf("%s: %s: the reply ends %d bytes early, of %d", c.address, method, body.N, size)
	}
	if n, err := io.CopyN(io.Discard, r, 1); n != 0 {
		return fmt.Errorf("%s: %s: more bytes behind the reply of %d", c.address, method, size)
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %s: behind the reply: %w", c.address, method, err)
	}
	return nil
}

// checkHead wants an answer of a gRPC server.
func (c *rpc) checkHead(resp *http.Response, method string) error {
	kind := resp.Header.Get("Content-Type")
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(kind, "application/grpc") {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 120)) // a comfort
	return fmt.Errorf("%s: %s: HTTP status %d with %q, wanted a gRPC answer: %.120q", c.address, method, resp.StatusCode, kind, text)
}

// status turns headers into an error, nil for OK.
func (c *rpc) status(h http.Header, method string) error {
	text := h.Get("Grpc-Status")
	code, err := strconv.Atoi(text)
	if err != nil || code < 0 {
		return fmt.Errorf("%s: %s: the reply ends without a status, found %.40q", c.address, method, text)
	}
	if code == 0 {
		return nil
	}
	message := h.Get("Grpc-Message")
	if plain, err := url.PathUnescape(message); err == nil {
		message = plain
	}
	return &statusError{method, code, firstBytes(message, 1024)}
}

// unwrapURL drops the URL that net/http puts before an error: the address is
// said already.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func firstBytes(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
