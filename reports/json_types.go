// SPDX-License-Identifier: Apache-2.0

package reports

// The types below are layerscope.report/v1 field by field, in the order of
// docs/schema/report.v1.json. Lists are never null; a number the capture
// doesn't hold is null.

type jsonTool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type jsonInput struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	Format string `json:"format"`

	Version string `json:"version,omitempty"`
	CRC32C  string `json:"crc32c,omitempty"`
}

type jsonFinding struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Count    int64  `json:"count"`
	Hint     string `json:"hint"`
}

type jsonReport struct {
	Schema     string          `json:"schema"`
	Tool       jsonTool        `json:"tool"`
	Title      string          `json:"title,omitempty"`
	Inputs     []jsonInput     `json:"inputs"`
	Lossy      string          `json:"lossy"`
	Filter     *jsonFilter     `json:"filter,omitempty"`
	Findings   []jsonFinding   `json:"findings"`
	Capture    jsonCapture     `json:"capture"`
	Programs   []jsonProgram   `json:"programs"`
	Devices    []jsonDevice    `json:"devices"`
	Layers     jsonLayers      `json:"layers"`
	Scopes     []jsonScope     `json:"scopes"`
	Components []jsonComponent `json:"components"`
	Categories []jsonCategory  `json:"categories"`
	Ops        []jsonOp        `json:"ops"`
	Steps      []jsonStep      `json:"steps"`
	Async      jsonAsync       `json:"async"`
	Memory     struct{}        `json:"memory"`
	Host       jsonHost        `json:"host"`
	Compile    jsonCompile     `json:"compile"`
}

type jsonFilter struct {
	Expr      string `json:"expr"`
	MatchedPS int64  `json:"matched_ps"`
	OfPS      int64  `json:"of_ps"`
}

type jsonCapture struct {
	StartUnixNS *int64            `json:"start_unix_ns"`
	WindowPS    int64             `json:"window_ps"`
	Hosts       []string          `json:"hosts"`
	Steps       jsonStepSource    `json:"steps"`
	Metadata    map[string]string `json:"metadata"`
}

type jsonStepSource struct {
	Source string `json:"source"`
	Count  int    `json:"count"`
}

type jsonProgram struct {
	Name       string `json:"name"`
	ProgramID  string `json:"program_id"`
	Host       string `json:"host"`
	Executions int    `json:"executions"`
	TotalPS    int64  `json:"total_ps"`
	OpTimePS   int64  `json:"op_time_ps"`
	HasHLO     bool   `json:"has_hlo"`
}

type jsonDevice struct {
	Name             string   `json:"name"`
	Host             string   `json:"host"`
	Kind             string   `json:"kind"`
	Type             string   `json:"type"`
	WindowPS         int64    `json:"window_ps"`
	BusyPS           int64    `json:"busy_ps"`
	IdlePS           int64    `json:"idle_ps"`
	OpTimePS         int64    `json:"op_time_ps"`
	WallSharePS      int64    `json:"wall_share_ps"`
	OpEvents         int64    `json:"op_events"`
	PeakFLOPsPerS    *float64 `json:"peak_flops_per_s"`
	PeakHBMBytesPerS *float64 `json:"peak_hbm_bytes_per_s"`
}

type jsonLayers struct {
	Method          string        `json:"method"`
	Confidence      float64       `json:"confidence"`
	Why             string        `json:"why"`
	Count           int           `json:"count"`
	OpTimePS        int64         `json:"op_time_ps"`
	UnattributedPS  int64         `json:"unattributed_ps"`
	UnattributedOps []jsonPlainOp `json:"unattributed_ops"`
	Rows            []jsonLayer   `json:"rows"`
	Outliers        []jsonOutlier `json:"outliers"`
}

type jsonPlainOp struct {
	Name    string `json:"name"`
	Program string `json:"program"`
	SelfPS  int64  `json:"self_ps"`
}

type jsonLayer struct {
	Key           string          `json:"key"`
	Index         int             `json:"index"`
	Program       string          `json:"program"`
	SelfPS        int64           `json:"self_ps"`
	WallSharePS   int64           `json:"wall_share_ps"`
	ShareOfOpTime float64         `json:"share_of_op_time"`
	Occurrences   int64           `json:"occurrences"`
	FLOPs         int64           `json:"flops"`
	Bytes         int64           `json:"bytes"`
	MixedPS       int64           `json:"mixed_ps"`
	Components    []jsonComponent `json:"components"`
	Directions    jsonDirections  `json:"directions"`
	Samples       jsonSamples     `json:"samples"`
	WallSamples   jsonSamples     `json:"wall_samples"`
	Note          string          `json:"note"`
}

type jsonOutlier struct {
	Key   string  `json:"key"`
	Ratio float64 `json:"ratio"`
	Note  string  `json:"note"`
}

type jsonDirections struct {
	ForwardPS   int64 `json:"forward_ps"`
	BackwardPS  int64 `json:"backward_ps"`
	RecomputePS int64 `json:"recompute_ps"`
}

// jsonSamples has null bounds when there are too few samples; needed says how
// many there must be.
type jsonSamples struct {
	N          int     `json:"n"`
	MedianPS   int64   `json:"median_ps"`
	LoPS       *int64  `json:"lo_ps"`
	HiPS       *int64  `json:"hi_ps"`
	MinPS      int64   `json:"min_ps"`
	MaxPS      int64   `json:"max_ps"`
	Confidence float64 `json:"confidence"`
	Needed     int     `json:"needed"`
}

type jsonScope struct {
	Path        string         `json:"path"`
	SelfPS      int64          `json:"self_ps"`
	TotalPS     int64          `json:"total_ps"`
	Occurrences int64          `json:"occurrences"`
	Directions  jsonDirections `json:"directions"`
}

type jsonComponent struct {
	Name   string `json:"name"`
	SelfPS int64  `json:"self_ps"`
	FLOPs  int64  `json:"flops"`
	Bytes  int64  `json:"bytes"`
}

type jsonCategory struct {
	Name        string `json:"name"`
	SelfPS      int64  `json:"self_ps"`
	Occurrences int64  `json:"occurrences"`
}

type jsonOp struct {
	Name        string   `json:"name"`
	Program     string   `json:"program"`
	Device      string   `json:"device"`
	Category    string   `json:"category"`
	Scope       string   `json:"scope"`
	Layer       string   `json:"layer"`
	Component   string   `json:"component"`
	Occurrences int64    `json:"occurrences"`
	TotalPS     int64    `json:"total_ps"`
	SelfPS      int64    `json:"self_ps"`
	MinPS       int64    `json:"min_ps"`
	FLOPs       int64    `json:"flops"`
	ModelFLOPs  int64    `json:"model_flops"`
	Bytes       int64    `json:"bytes"`
	HBMBytes    int64    `json:"hbm_bytes"`
	FLOPsPerS   *float64 `json:"flops_per_s"`
	BytesPerS   *float64 `json:"bytes_per_s"`
	Intensity   *float64 `json:"intensity"`
	BoundBy     string   `json:"bound_by"`
	Source      string   `json:"source"`
}

type jsonStep struct {
	Index      int64  `json:"index"`
	Name       string `json:"name"`
	Host       string `json:"host"`
	StartPS    int64  `json:"start_ps"`
	DurationPS int64  `json:"duration_ps"`
	BusyPS     int64  `json:"busy_ps"`
	OpTimePS   int64  `json:"op_time_ps"`
	Excluded   bool   `json:"excluded"`
	Reason     string `json:"reason"`
}

type jsonAsync struct {
	ExposedPS    int64          `json:"exposed_ps"`
	OverlappedPS int64          `json:"overlapped_ps"`
	Rows         []jsonAsyncRow `json:"rows"`
}

type jsonAsyncRow struct {
	Name        string `json:"name"`
	SpanPS      int64  `json:"span_ps"`
	ExposedPS   int64  `json:"exposed_ps"`
	Occurrences int64  `json:"occurrences"`
}

type jsonHost struct {
	Rows []jsonHostRow `json:"rows"`
}

type jsonHostRow struct {
	Name        string `json:"name"`
	SelfPS      int64  `json:"self_ps"`
	TotalPS     int64  `json:"total_ps"`
	Occurrences int64  `json:"occurrences"`
}

type jsonCompile struct {
	Count   int              `json:"count"`
	TotalPS int64            `json:"total_ps"`
	Rows    []jsonCompileRow `json:"rows"`
}

type jsonCompileRow struct {
	Module     string `json:"module"`
	StartPS    int64  `json:"start_ps"`
	DurationPS int64  `json:"duration_ps"`
	StepIndex  *int64 `json:"step_index"`
}
