// SPDX-License-Identifier: Apache-2.0

package viewer_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/layerscope/layerscope/reports/viewer"
)

// oneRun is a source with a single run.
type oneRun struct{ viewer.Source }

func (oneRun) Runs(context.Context) (viewer.Listing, error) {
	return viewer.Listing{Title: "runs", Runs: []viewer.Run{{ID: "r1", Title: "nightly"}}}, nil
}

func (oneRun) Report(_ context.Context, id string, w io.Writer) error {
	if id != "r1" {
		return viewer.ErrUnknown
	}
	_, err := io.WriteString(w, "<h1>the report</h1>")
	return err
}

func ExampleNew() {
	page, err := viewer.New(oneRun{}, viewer.Options{Hosts: []string{"127.0.0.1:9000"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, url := range []string{"http://127.0.0.1:9000/", "http://127.0.0.1:9000/run/r1/report", "http://127.0.0.1:9000/run/r2/report", "http://rebound.example/"} {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Location"))
	}
	// Output:
	// 302 "/run/r1"
	// 200 ""
	// 404 ""
	// 421 ""
}
