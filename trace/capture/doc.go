// SPDX-License-Identifier: Apache-2.0

// Package capture takes captures of live servers: it opens a window of a
// server's profiler, drives requests meanwhile, closes it, and leaves the capture
// files in a local directory. It knows nothing of what is in them.
//
//	s, err := capture.Dial(ctx, capture.Target{URL: "http://127.0.0.1:30000"})
//	if err != nil {
//		return err
//	}
//	w, err := s.Open(ctx, capture.Settings{Dir: "run", Duration: time.Second})
//	if err != nil {
//		return err
//	}
//	res, err := w.Wait(ctx) // run/plugins/profile/<session>/<host>.xplane.pb
//
// Three kinds of servers are known. A JAX process that called
// jax.profiler.start_server answers the ProfilerService by gRPC: the capture
// comes back in the reply and is streamed to the disk. An sglang-style server has
// /start_profile, /stop_profile and /profile_status, and writes files on its own
// side: they are waited for and copied. Our own server has the same endpoints and
// hands the capture over.
//
// Nothing of a server is believed: replies are bounded, lengths are checked
// against what is there, every call has a deadline. See the example of [Dial].
package capture
