// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Injection is a fault for tests and teaching. The engine really does what it
// says, and Metadata and traces name it.
type Injection struct {
	Kind  string // "slow", "leak", "stall" or "recompile"
	Scope string // elements of a scope path that follow one another: "layer_3/mlp"

	Factor float64       // slow: so many times as long
	Bytes  int64         // leak: at each entry of the scope
	Stall  time.Duration // stall: at each entry of the scope
	Every  int           // recompile: forget the program at every so many uses
}

// ParseInjection reads a comma-separated list:
//
//	slow:layer_3/mlp=1.5x     part of the work is done again
//	leak:layer_2=4096         4096 bytes are allocated at each pass and kept; KiB and MiB too
//	stall:extend=5ms          the host sleeps before the scope's first segment
//	recompile:prefill=2       every second prefill makes its program anew
//
// A scope matches any path that has its elements in a row; layer_3 is also
// layer_03.
func ParseInjection(list string) ([]Injection, error) {
	var out []Injection
	for _, item := range strings.Split(list, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		kind, rest, ok := strings.Cut(item, ":")
		scope, value, has := strings.Cut(rest, "=")
		if !ok || strings.Trim(scope, "/ ") == "" {
			return nil, fmt.Errorf("injection %q: wanted KIND:SCOPE=VALUE", item)
		}
		in := Injection{Kind: kind, Scope: strings.Trim(scope, "/ ")}
		var err error
		switch kind {
		case "slow":
			in.Factor, err = strconv.ParseFloat(strings.TrimSuffix(value, "x"), 64)
			if err == nil && !(in.Factor >= 1 && in.Factor <= 100) {
				err = fmt.Errorf("%v is outside of 1 to 100", value)
			}
		case "leak":
			in.Bytes, err = parseBytes(value)
		case "stall":
			in.Stall, err = time.ParseDuration(value)
			if err == nil && (in.Stall <= 0 || in.Stall > time.Minute) {
				err = fmt.Errorf("%v is outside of 0 to 1m", value)
			}
		case "recompile":
			in.Every = 1
			if has {
				in.Every, err = strconv.Atoi(value)
			}
			if err == nil && in.Every < 1 {
				err = fmt.Errorf("%v is below 1", value)
			}
		default:
			return nil, fmt.Errorf("injection %q: kind %q, wanted slow, leak, stall or recompile", item, kind)
		}
		if err != nil {
			return nil, fmt.Errorf("injection %q: value %q: %w", item, value, err)
		}
		out = append(out, in)
	}
	return out, nil
}

func parseBytes(s string) (int64, error) {
	unit := int64(1)
	for _, u := range []struct {
		suffix string
		n      int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"B", 1}} {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = n, u.n
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && (n < 1 || n > math.MaxInt32/unit) {
		err = fmt.Errorf("%d is outside of 1 to %d", n, math.MaxInt32/unit)
	}
	return n * unit, err
}

// String is the injection as ParseInjection reads it.
func (in Injection) String() string {
	head := in.Kind + ":" + in.Scope + "="
	switch in.Kind {
	case "slow":
		return head + strconv.FormatFloat(in.Factor, 'g', -1, 64) + "x"
	case "leak":
		return head + strconv.FormatInt(in.Bytes, 10)
	case "stall":
		return head + in.Stall.String()
	}
	return head + strconv.Itoa(in.Every)
}

// within tells whether the injection's scope occurs in a path.
func (in Injection) within(path string) bool {
	want, have := strings.Split(in.Scope, "/"), strings.Split(path, "/")
	for i := 0; i+len(want) <= len(have); i++ {
		match := true
		for k, w := range want {
			match = match && sameElement(w, have[i+k])
		}
		if match {
			return true
		}
	}
	return false
}

// sameElement compares elements, numbered ones by number.
func sameElement(a, b string) bool {
	if a == b {
		return true
	}
	na, ia, oka := numbered(a)
	nb, ib, okb := numbered(b)
	return oka && okb && na == nb && ia == ib
}

func numbered(s string) (string, int, bool) {
	name, digits, ok := strings.Cut(s, "_")
	n, err := strconv.Atoi(digits)
	return name, n, ok && err == nil
}

// sameEntry tells whether two paths, both within the scope, are in the same
// instance of it: "mlp" is entered anew in every layer.
func (in Injection) sameEntry(a, b string) bool { return in.prefix(a) == in.prefix(b) }

// prefix is the path up to the scope's end.
func (in Injection) prefix(path string) string {
	parts := strings.Split(path, "/")
	for n := 1; n <= len(parts); n++ {
		if p := strings.Join(parts[:n], "/"); in.within(p) {
			return p
		}
	}
	return ""
}
