// SPDX-License-Identifier: Apache-2.0

package viewer

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"io"
	"net/http"
	"time"
)

// speedscope.zip is what a release of speedscope has for browsers, with its
// licences; speedscope.sh makes it again.
//
//go:embed speedscope.zip
var speedscopeZip []byte

// speedscope serves its files below /speedscope/.
func speedscope() (http.Handler, error) {
	z, err := zip.NewReader(bytes.NewReader(speedscopeZip), int64(len(speedscopeZip)))
	if err != nil {
		return nil, err
	}
	return loose(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, f := range z.File {
			if f.Name != r.PathValue("name") {
				continue
			}
			var data []byte
			in, err := f.Open()
			if err == nil {
				data, err = io.ReadAll(in)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			http.ServeContent(w, r, f.Name, time.Time{}, bytes.NewReader(data))
			return
		}
		http.NotFound(w, r)
	})), nil
}
