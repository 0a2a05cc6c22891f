// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRedact(t *testing.T) {
	known := map[string]string{"alice": "user", "worker-7": "host", "tpu": "user", "ab": "host"}
	for _, c := range []struct{ in, want string }{
		{"HF_TOKEN=hf_abcdefgh", "HF_TOKEN=redacted-token"},
		{`{"hf_token": "secretsecret"}`, `{"hf_token": "redacted-token"}`},
		{`{"text": "{\"api_key\": \"abcdefgh1\"}"}`, `{"text": "{\"api_key\": \"redacted-token\"}"}`},
		{`{"api_key": "s3cr3t", "admin_api_key": null, "password": "1234"}`, `{"api_key": "redacted-token", "admin_api_key": null, "password": "redacted-token"}`},
		{`"{\"secret\": \"abc\", \"token\": \"the\"}"`, `"{\"secret\": \"redacted-token\", \"token\": \"the\"}"`},
		{"Authorization: Bearer abc.def-ghi", "Authorization: Bearer redacted-token"},
		{"authorization: Basic YWJj", "authorization: Basic redacted-token"},
		{"ya29.a0Af_x-y and AKIAIOSFODNN7EXAMPLE", "redacted-token and redacted-token"},
		{"export WANDB_API_KEY='abc'", "export WANDB_API_KEY='redacted-token'"},
		{"run --hf-token abc", "run --hf-token redacted-token"},
		{"https://me:pw@host/x", "https://redacted-token@host/x"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", "redacted-token"},
		{"svc@my-proj.iam.gserviceaccount.com", "redacted-account"},
		{"gcloud --project my-proj --account=bob x", "gcloud --project redacted-project --account=redacted-account x"},
		{"projects/my-proj/zones/z", "projects/redacted-project/zones/z"},
		{"GOOGLE_CLOUD_PROJECT=my-proj", "GOOGLE_CLOUD_PROJECT=redacted-project"},
		{"eu.gcr.io/my-proj/img", "eu.gcr.io/redacted-project/img"},
		{"/home/bob/a /Users/bob/b C:\\Users\\bob\\c", "/home/redacted-home/a /Users/redacted-home/b C:\\Users\\redacted-home\\c"},
		{"t1v-n-3d21a6bb-w-0.xplane.pb", "redacted-host.xplane.pb"},
		{"t1v-n-3d21a6bb-w-0.us-east5-a.c.my-proj.internal", "redacted-host"},
		{"vm-1.us-east1-d.c.my-proj.internal", "redacted-host"},
		{`"hostname": "box9"`, `"hostname": "redacted-host"`},
		{"10.128.0.2:8471, 2001:db8::1", "redacted-address:8471, redacted-address"},
		{"alice on worker-7, not malice", "redacted-user on redacted-host, not malice"},
		{"ALICE", "redacted-user"},
		// Harmless things stay.
		{"127.0.0.1 0.0.0.0 ::1 libtpu 0.0.30", "127.0.0.1 0.0.0.0 ::1 libtpu 0.0.30"},
		{`{"max_tokens": 512, "eos_token": 151643, "label_token_ids": [9834, 902]}`, `{"max_tokens": 512, "eos_token": 151643, "label_token_ids": [9834, 902]}`},
		{"MAX_TOKENS=512 TOKEN_BUCKETS=64", "MAX_TOKENS=512 TOKEN_BUCKETS=64"},
		{"tpu ab layer_0/attention 12:34:56 a::b e8e8d51785f8", "tpu ab layer_0/attention 12:34:56 a::b e8e8d51785f8"},
		{"std::vector<f32[8,16]{1,0}> %fusion.1 = f32[2]", "std::vector<f32[8,16]{1,0}> %fusion.1 = f32[2]"},
	} {
		r := newRedactor(false, known)
		got := string(r.text("f", []byte(c.in)))
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
		if again := string(r.text("f", []byte(got))); again != got {
			t.Errorf("%s\nredacted twice: %s", got, again)
		}
	}
}

func TestRedactCounts(t *testing.T) {
	r := newRedactor(false, map[string]string{"worker-7": "host"})
	r.text("b", []byte("a@b.org 10.0.0.1 10.0.0.2"))
	if got := r.name("worker-7.log"); got != "redacted-host.log" {
		t.Errorf("name %s", got)
	}
	want := []redacted{{"b", "account", 1}, {"b", "address", 2}, {"redacted-host.log", "host", 1}}
	if d := cmp.Diff(want, r.list()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if off := newRedactor(true, nil); string(off.text("f", []byte("10.0.0.1"))) != "10.0.0.1" || len(off.list()) != 0 {
		t.Error("declined, and yet redacted")
	}
}
