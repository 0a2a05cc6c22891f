// SPDX-License-Identifier: Apache-2.0

//go:build !nocloud

package gcs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"google.golang.org/api/googleapi"

	"github.com/layerscope/layerscope/reports/objects"
)

// withDefaults fills in what isn't said. Pauses grow to half a minute.
func (o Options) withDefaults() Options {
	if o.Tries <= 0 {
		o.Tries = 8
	}
	if o.Pause <= 0 {
		o.Pause = 500 * time.Millisecond
	}
	if o.Stall <= 0 {
		o.Stall = time.Minute
	}
	if o.Retried == nil {
		o.Retried = func(string, error, time.Duration) {}
	}
	return o
}

// maxPause bounds the pauses between tries, also those that a server asks for.
const maxPause = 32 * time.Second

// sumTries bounds what is tried when checksums don't fit: a source that changes
// never does.
const sumTries = 3

var errStalled = errors.New("the connection stalled")

// tries does one thing, again after failures that may pass. What it does calls
// tick when bytes move: without for a while, the try is given up.
func (b *bucket) tries(ctx context.Context, what string, do func(ctx context.Context, tick func()) error) error {
	for n := 1; ; n++ {
		err := b.try(ctx, do)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n >= b.Tries || !passing(err) || n >= sumTries && isSum(err) {
			return brief(err)
		}
		pause := b.pause(n, err)
		b.Retried(what, brief(err), pause)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// brief leaves a request's address out of its error but for the host: the rest
// of it is the API's.
func brief(err error) error {
	var request *url.Error
	if !errors.As(err, &request) {
		return err
	}
	if u, parsed := url.Parse(request.URL); parsed == nil && u.Host != "" {
		return fmt.Errorf("%s: %w", u.Host, request.Err)
	}
	return request.Err
}

func (b *bucket) try(ctx context.Context, do func(ctx context.Context, tick func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(b.Stall, func() { cancel(errStalled) })
	defer watch.Stop()
	err := do(ctx, func() { watch.Reset(b.Stall) })
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// pause is random between half of what is due and all of it, so that many that
// failed together don't come back together; longer if the server says so.
func (b *bucket) pause(n int, err error) time.Duration {
	due := min(b.Options.Pause<<min(n-1, 16), maxPause)
	pause := due/2 + rand.N(due/2+1)
	var api *googleapi.Error
	if errors.As(err, &api) {
		if seconds, err := strconv.Atoi(api.Header.Get("Retry-After")); err == nil && seconds > 0 {
			pause = max(pause, min(time.Duration(seconds)*time.Second, maxPause))
		}
	}
	return pause
}

// passing says whether a failure may pass by itself.
func passing(err error) bool {
	var api *googleapi.Error
	if errors.As(err, &api) {
		return api.Code == http.StatusRequestTimeout || api.Code == http.StatusTooManyRequests || api.Code >= 500 || isSum(err)
	}
	var token *auth.Error
	var certificate *tls.CertificateVerificationError
	var lookup *net.DNSError
	switch {
	case errors.As(err, &token):
		return token.Temporary()
	case errors.As(err, &certificate), errors.As(err, &lookup) && lookup.IsNotFound:
		return false
	}
	var network net.Error
	var request *url.Error
	for _, known := range []error{errStalled, objects.ErrSum, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, &network) || errors.As(err, &request)
}

// isSum says whether checksums didn't fit: bytes were damaged on their way.
func isSum(err error) bool {
	var api *googleapi.Error
	if errors.As(err, &api) {
		return api.Code == http.StatusBadRequest && strings.Contains(strings.ToLower(api.Message), "crc32c")
	}
	return errors.Is(err, objects.ErrSum)
}

type ticking struct {
	io.Reader
	tick func()
}

func (t *ticking) Read(p []byte) (int, error) {
	t.tick()
	return t.Reader.Read(p)
}
