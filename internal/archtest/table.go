// SPDX-License-Identifier: Apache-2.0

package archtest

// table is the architecture in force: data flows bytes → trace → analyze →
// reports, and only cmd/layerscope sees both ends. Patterns are paths below the
// module; "x/..." is x and everything below it. The most specific rule counts.
var table = []Rule{
	{Packages: "trace", Imports: []string{"trace/internal/...", "trace/hlo"}, Tests: []string{"analyze"}, Exported: 48},
	{Packages: "trace/internal/xspace/...", Imports: []string{"trace/internal/xspace/..."}},
	{Packages: "trace/internal/chromejson/...", Imports: []string{"trace/internal/chromejson/..."}, Tests: []string{"trace/internal/inflate"}},
	{Packages: "trace/internal/perfetto/...", Imports: []string{"trace/internal/perfetto/..."}},
	{Packages: "trace/internal/inflate"},
	{Packages: "trace/internal/ranged"},
	{Packages: "trace/internal/tracetxt"},
	{Packages: "trace/internal/ring", Imports: []string{"trace/internal/tick"}},
	{Packages: "trace/internal/tick"},
	{Packages: "trace/hlo/...", Imports: []string{"trace/hlo/..."}},
	{Packages: "trace/memprof", Imports: []string{"trace/internal/inflate"}},
	{Packages: "trace/capture", Exported: 20},

	{Packages: "analyze", Imports: []string{"trace", "trace/hlo", "trace/memprof", "analyze/internal/stats"}, Tests: []string{"trace"}, Pure: true, Exported: 64},
	{Packages: "analyze/internal/stats", Pure: true},

	{Packages: "engine", Imports: []string{"trace", "trace/memprof", "engine/internal/..."}, Tests: []string{"analyze"}, Exported: 20},
	{Packages: "engine/internal/...", Imports: []string{"trace", "trace/memprof", "engine/internal/..."}},
	{Packages: "engine/scorehttp", Imports: []string{"engine", "trace"}, Tests: []string{"analyze", "trace/memprof"}},

	{Packages: "reports", Imports: []string{"analyze", "reports/internal/...", "internal/term/termtext"}, Tests: []string{"trace", "trace/hlo"}, Exported: 17},
	{Packages: "reports/internal/texttab", Imports: []string{"reports/internal/quantity", "internal/term/termtext"}},
	{Packages: "reports/internal/svg", Imports: []string{"reports/internal/quantity", "internal/term/termtext"}},
	{Packages: "reports/internal/quantity"},
	{Packages: "reports/profile", Imports: []string{"analyze", "trace/hlo"}, Tests: []string{"trace"}, Exported: 8},
	{Packages: "reports/eventtable", Exported: 4},
	// Create, Verify, Pack, Unpack and Retain, their options and results, and the two
	// refusals that callers offer a way around.
	{Packages: "reports/bundle", Imports: []string{"reports/internal/texttab"}, Exported: 20},
	{Packages: "reports/objects", Exported: 16},
	{Packages: "reports/internal/storetest", Imports: []string{"reports/objects"}},
	{Packages: "reports/gcs", Imports: []string{"reports/objects"}, Exported: 4},
	{Packages: "reports/viewer", Imports: []string{"reports/internal/svg", "reports/internal/quantity"}, Exported: 9},
	{Packages: "reports/remote", Imports: []string{"reports/bundle", "reports/objects"}, Tests: []string{"reports/gcs"}, Exported: 8},
	{Packages: "reports/runindex", Imports: []string{"reports/objects"}, Exported: 16},

	{Packages: "cmd/layerscope", Imports: []string{
		"trace", "trace/hlo", "trace/memprof", "trace/capture", "analyze", "engine", "engine/scorehttp",
		"reports", "reports/profile", "reports/eventtable", "reports/bundle", "reports/runindex", "reports/objects", "reports/remote", "reports/viewer", "reports/gcs", "internal/term/...",
	}},

	{Packages: "internal/term", Imports: []string{"internal/term/termtext"}},
	{Packages: "internal/term/termtext"},
	{Packages: "internal/standin"},
	{Packages: "internal/tracetest", Imports: []string{"trace", "trace/hlo", "trace/memprof"}},
	{Packages: "internal/fakegcs"},
	{Packages: "internal/archtest"},
	{Packages: "internal/doctest"},
	{Packages: "internal/ci/..."},
	{Packages: "internal/oracle/...", Imports: []string{"trace", "trace/hlo", "trace/memprof", "analyze", "reports", "engine", "internal/oracle/..."}},
}

// testImports is what any test may import besides its package's own rule: the
// package under test and everything the rule allows come for free.
var testImports = []string{"internal/tracetest", "internal/standin", "internal/fakegcs", "reports/internal/storetest"}

// outside is the modules we stand on and who may use them; a Test module only
// serves tests. A new one needs an ADR and a line here.
var outside = []Dependency{
	{Module: "cloud.google.com/go", In: []string{"reports/gcs"}},
	{Module: "google.golang.org/api", In: []string{"reports/gcs"}},
	{Module: "github.com/spf13/cobra", In: []string{"cmd/layerscope"}},
	{Module: "github.com/spf13/pflag", In: []string{"cmd/layerscope"}},
	{Module: "github.com/goccy/go-yaml", In: []string{"cmd/layerscope", "analyze/..."}},
	{Module: "google.golang.org/protobuf", In: []string{"trace/...", "internal/...", "engine/..."}},
	{Module: "github.com/google/pprof", In: []string{"trace/memprof", "reports/profile"}},
	{Module: "github.com/parquet-go/parquet-go", In: []string{"reports/eventtable"}},
	{Module: "github.com/klauspost/compress", In: []string{"trace/...", "reports/..."}},
	{Module: "github.com/ulikunitz/xz", In: []string{"trace/...", "reports/bundle"}},
	{Module: "github.com/aclements/go-moremath", In: []string{"analyze/internal/stats"}},
	{Module: "github.com/ebitengine/purego", In: []string{"engine/internal/..."}},
	{Module: "golang.org/x/sys", In: []string{"..."}},
	{Module: "golang.org/x/sync", In: []string{"..."}},
	{Module: "golang.org/x/term", In: []string{"internal/term"}},
	{Module: "net/http", In: []string{"trace/capture/...", "engine/scorehttp", "reports/gcs", "reports/viewer", "cmd/layerscope", "internal/..."}},

	{Module: "github.com/google/go-cmp", Test: true},
	{Module: "github.com/rogpeppe/go-internal", Test: true},
	{Module: "github.com/santhosh-tekuri/jsonschema", Test: true},
	{Module: "github.com/chromedp", Test: true},
	{Module: "go.uber.org/goleak", Test: true},
	{Module: "golang.org/x/text/unicode/norm", In: []string{"engine/internal/tokenizer"}},
	{Module: "golang.org/x/tools/txtar", Test: true},
	{Module: "pgregory.net/rapid", Test: true},
}

// exceptions lists what may break a budget and why: "path/file.go" for its
// length, "path/file.go:Func" for a function's, "path" for its exported names.
// One that is no longer needed is an error.
var exceptions = map[string]string{
	"trace/internal/inflate/fast.go:fast":          "one loop whose state lives in registers: split up, it lost half of its speed",
	"trace/internal/xspace/hot.go:hotMixed":        "one loop over the fields of an event; calls in it cost a tenth of the speed",
	"trace/internal/chromejson/args.go:scanArgs":   "one loop over the members of args; calls in it cost a tenth of the speed",
	"engine/internal/kernel/asmgen/vec.go:vecFile": "a generator that reads like the file it writes",
}
