// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestServe starts the server on a free port, scores over HTTP, and ends it as
// SIGTERM does.
func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	e := edge{stdin: strings.NewReader(""), stdout: w, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, e, []string{"serve", "--address", "127.0.0.1:0", "--model", "random:llama-tiny", "--profiles", t.TempDir(), "--log", "json"})
		w.Close()
	}()
	url, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("no address: %v, %s", err, stderr.String())
	}
	url = strings.TrimSpace(url)
	resp, err := http.Post(url+"/v1/score", "application/json", strings.NewReader(`{"query":[1],"items":[[2]],"label_token_ids":[3]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), `"object":"scoring"`) {
		t.Errorf("%s %s, %v", resp.Status, body, err)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	select {
	case code := <-done:
		if code != exitDone {
			t.Errorf("exit code %d, want 0: %s", code, stderr.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server did not end")
	}
	if log := stderr.String(); !strings.Contains(log, `"path":"/v1/score","status":200`) {
		t.Errorf("access log: %s", log)
	}
}
