// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestIsLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"localhost:9999": true, "http://localhost": true, "127.0.0.1": true, "127.3.2.1:80": true, "http://[::1]:9999": true, "[::1]:9999": true,
		"127.example.com": false, "localhost.example.com:80": false, "10.0.0.1:9999": false, "[fe80::1]:80": false, "": false, "http://%zz": false,
	} {
		if got := isLocal(address); got != want {
			t.Errorf("%q: local %t, wanted %t", address, got, want)
		}
	}
}
