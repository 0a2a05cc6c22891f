// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// record is an event in comparable form.
type record struct {
	Ph            string
	Name, Cat     string
	Ts, Dur       string // picoseconds, exact, origin added; "" if absent
	Pid, Tid      string // JSON text
	Args          string // raw
	Fields, Value []string
}

// text returns the decoded form of a raw string.
func text(raw []byte) string {
	s, _ := Unquote(nil, raw)
	return string(s)
}

func (id ID) json() string {
	switch {
	case id.Kind == None:
		return ""
	case id.Kind == String:
		b, _ := json.Marshal(text(id.Text))
		return string(b)
	case id.Text != nil:
		return string(id.Text)
	}
	return strconv.FormatInt(id.Num, 10)
}

func toRecord(ev *Event, origin int64) record {
	r := record{
		Ph: string(rune(ev.Ph)), Name: text(ev.Name), Cat: text(ev.Cat),
		Pid: ev.Pid.json(), Tid: ev.Tid.json(), Args: string(ev.Args),
	}
	if ev.HasTs {
		ts := new(big.Int).Mul(big.NewInt(origin), big.NewInt(psPerMicro))
		r.Ts = ts.Add(ts, big.NewInt(ev.Ts)).String()
	}
	if ev.HasDur {
		r.Dur = strconv.FormatInt(ev.Dur, 10)
	}
	for _, f := range ev.Fields {
		r.Fields = append(r.Fields, text(f.Key))
		r.Value = append(r.Value, string(f.Val))
	}
	return r
}

// read returns everything a reader has to say about a document.
func read(rd *Reader) (records []record, err error) {
	for {
		ev, err := rd.Next()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		records = append(records, toRecord(ev, rd.Origin()))
	}
}

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// exactPs is the reference conversion of decimal microseconds: rational
// arithmetic, then one rounding, half away from zero.
func exactPs(s string) (*big.Int, bool) {
	if !number.MatchString(s) {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 {
		// Rational arithmetic would write the power of ten out.
		if small := s[i+1] == '-' || strings.Trim(s[:i], "-0.") == ""; small {
			return new(big.Int), true
		}
		return nil, false
	}
	x, valid := new(big.Rat).SetString(s)
	if !valid {
		return nil, false
	}
	x.Mul(x, big.NewRat(psPerMicro, 1))
	neg := x.Sign() < 0
	x.Abs(x)
	n := new(big.Int).Mul(x.Num(), big.NewInt(2))
	n.Add(n, x.Denom())
	n.Quo(n, new(big.Int).Mul(x.Denom(), big.NewInt(2)))
	if neg {
		n.Neg(n)
	}
	return n, true
}

// reference reads the events of a document with encoding/json, which must
// accept it. Skipped elements are left out, as the reader does.
func reference(tb testing.TB, data []byte) []record {
	tb.Helper()
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	check := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	var recs []record
	events := func() {
		for dec.More() {
			var raw json.RawMessage
			check(dec.Decode(&raw))
			if r, good := referenceEvent(tb, raw); good {
				recs = append(recs, r)
			}
		}
		_, err := dec.Token()
		check(err)
	}
	t, err := dec.Token()
	check(err)
	if t == json.Delim('[') {
		events()
		return recs
	}
	for dec.More() {
		key, err := dec.Token()
		check(err)
		if key == "traceEvents" {
			if next := bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n:"); next[0] == '[' {
				_, err := dec.Token()
				check(err)
				events()
				continue
			}
		}
		var raw json.RawMessage
		check(dec.Decode(&raw))
	}
	return recs
}

func referenceEvent(tb testing.TB, raw json.RawMessage) (r record, good bool) {
	tb.Helper()
	if raw[0] != '{' {
		return r, false
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		tb.Fatal(err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			tb.Fatal(err)
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			tb.Fatal(err)
		}
		if !r.set(tb, key.(string), v) {
			return r, false
		}
	}
	if r.Ph == "" {
		return r, false
	}
	r.Ph = string(rune(r.Ph[0]))
	if r.Ph == "M" {
		r.Ts = ""
	}
	return r, true
}

// set takes one member; it returns false for values that make the reader skip
// the event.
func (r *record) set(tb testing.TB, key string, v json.RawMessage) bool {
	tb.Helper()
	str := string(v)
	if v[0] == '"' {
		if err := json.Unmarshal(v, &str); err != nil {
			tb.Fatal(err)
		}
	}
	odd := str
	if str == "null" && v[0] != '"' || v[0] == '{' || v[0] == '[' {
		odd = ""
	}
	switch key {
	case "ph":
		r.Ph = ""
		if v[0] == '"' {
			r.Ph = str
		}
	case "name":
		r.Name = odd
	case "cat":
		r.Cat = odd
	case "ts":
		return setTime(&r.Ts, v, false)
	case "dur":
		return setTime(&r.Dur, v, true)
	case "pid":
		return setID(&r.Pid, v, str)
	case "tid":
		return setID(&r.Tid, v, str)
	case "args":
		r.Args = string(v)
	default:
		r.Fields = append(r.Fields, key)
		r.Value = append(r.Value, string(v))
	}
	return true
}

func setTime(field *string, v json.RawMessage, int64s bool) bool {
	if string(v) == "null" {
		return true
	}
	ps, valid := exactPs(string(bytes.Trim(v, `"`)))
	if !valid || int64s && !ps.IsInt64() {
		return false
	}
	*field = ps.String()
	return true
}

func setID(field *string, v json.RawMessage, str string) bool {
	switch v[0] {
	case 'n':
		*field = ""
	case 't', 'f', '{', '[':
		return false
	case '"':
		b, _ := json.Marshal(str)
		*field = string(b)
	default:
		*field = string(v)
		if *field == "-0" {
			*field = "0"
		}
	}
	return true
}

// shredded is a Source of blocks of 1 to size bytes; each block is overwritten
// when the next one is asked for.
type shredded struct {
	data []byte
	size int
	last []byte
	n    int
	err  error
}

func (s *shredded) Next() ([]byte, error) {
	for i := range s.last {
		s.last[i] = '#'
	}
	if len(s.data) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		return nil, io.EOF
	}
	s.n++
	n := min(1+s.n*7%s.size, len(s.data))
	s.last = bytes.Clone(s.data[:n])
	s.data = s.data[n:]
	return s.last, nil
}

var errDisk = errors.New("disk on fire")
