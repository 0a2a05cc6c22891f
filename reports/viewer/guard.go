// SPDX-License-Identifier: Apache-2.0

package viewer

import (
	"net/http"
	"slices"
)

// guard refuses what doesn't come from a browser that looks at this page: other
// hosts' names (DNS rebinding), methods that would change something, and
// requests that a page elsewhere makes behind its reader's back. A link from
// elsewhere may lead here.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
		switch {
		case !slices.Contains(s.opts.Hosts, r.Host):
			http.Error(w, "this server answers to its own address only", http.StatusMisdirectedRequest)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "this server is read only", http.StatusMethodNotAllowed)
		case (site == "cross-site" || site == "same-site") && (mode != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"):
			http.Error(w, "asked for by a page from elsewhere", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// loose is the policy for speedscope: its styles are made as it runs, and it
// compiles a reader of one of its formats. It loads nothing from elsewhere either.
func loose(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
		next.ServeHTTP(w, r)
	})
}
