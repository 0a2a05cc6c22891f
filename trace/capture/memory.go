// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Memory takes what a server can say of its memory, without a window: of our own
// server the live buffers as a pprof profile, of a JAX process its programs' HLO
// with the compiler's memory plan. Live buffers of JAX can't be had from outside.
func (s *Server) Memory(ctx context.Context, dir, name string) (*Result, error) {
	switch s.Kind {
	case JAX:
		return s.HLO(ctx, dir)
	case SGLang:
		return nil, fmt.Errorf("%s: this server has no memory profile; a JAX profiler's address (jax.profiler.start_server) gives the compiler's plan", s.URL)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	res := &Result{Dir: dir, Begin: time.Now()}
	resp, err := s.web.request(ctx, http.MethodGet, "/memory_profile", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // a comfort
		return nil, fmt.Errorf("%s/memory_profile: HTTP status %d: %.200q", s.URL, resp.StatusCode, text)
	}
	const most = 256 << 20
	path, n, err := receive(dir, func(f *os.File) (string, error) {
		n, err := io.Copy(f, io.LimitReader(resp.Body, most+1))
		if err == nil && n > most {
			err = fmt.Errorf("a profile of more than %d bytes", most)
		}
		return fileName(name) + ".prof", err
	})
	if err != nil {
		return nil, fmt.Errorf("%s/memory_profile: %w", s.URL, err)
	}
	res.End = time.Now()
	res.Files = append(res.Files, File{Path: path, Bytes: n})
	return res, nil
}
