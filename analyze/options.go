// SPDX-License-Identifier: Apache-2.0

package analyze

// Options steer [Analyze]. The zero value analyses everything.
type Options struct {
	// Devices limits the analysis to devices whose name or ordinal is listed, alone
	// or behind their host and a slash: "host_1/0", "host_1/device:TPU:0".
	Devices []string
	// Steps limits samples to steps with numbers from Steps[0] to Steps[1], both
	// included; nil means all. Totals are not affected.
	Steps *[2]int64
	// Expect is the number of executions of the main program that the capture
	// should hold; 0 = not known. Fewer is a finding.
	Expect int
	// Rules name components of layers and parts outside them; they are tried
	// before the built-in ones. See [ParseRules].
	Rules []Rule
	// IdleShare is the share of the window above which idleness is a finding;
	// 0 means 0.5.
	IdleShare float64
	// OpsOnly leaves out all that tables of ops, categories and programs don't
	// need: one pass over the op tracks gives them. The analysis then has no layer
	// rows, components, scopes, steps, async and host rows, and no findings about
	// steps; ops have the same columns as ever.
	OpsOnly bool
}
