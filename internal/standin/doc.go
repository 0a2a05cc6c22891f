// SPDX-License-Identifier: Apache-2.0

// Package standin has servers for tests that behave as real ones were measured
// to, their odd ways included: the ProfilerService of a JAX process, and the
// profiler endpoints of an sglang-style server.
package standin
