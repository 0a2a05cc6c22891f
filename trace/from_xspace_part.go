// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/ranged"
	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// Host threads of a remote file that is read for some devices are left out when
// they take more than hostLeast bytes and a hostShare of what is read anyway:
// what a report of devices has from them is a table of host time and the steps
// with compilations in them.
const (
	hostLeast = 256 << 10
	hostShare = 20 // a twentieth
)

// A partOf decides which planes of an XSpace are read.
type partOf struct {
	host string
	opts Options

	far         bool
	left        []string // host planes that are left out
	hosts, size int64    // bytes of host planes, and of what is read anyway
}

// index returns the planes that the options ask for: of a local file asked for
// whole, all.
func (p *partOf) index(r io.ReaderAt, size int64) (*xspace.Space, error) {
	if _, p.far = r.(*ranged.File); !p.far && len(p.opts.Devices) == 0 {
		return xspace.Index(r, size)
	}
	return xspace.IndexSome(r, size, p.choose)
}

const (
	environmentPlane = "Task Environment"
	metadataPlane    = "/host:metadata"
)

// choose returns which planes are read: the environment, HLO, the devices asked
// for, and the host's threads.
func (p *partOf) choose(out *xspace.Outline) []bool {
	if len(out.Hostnames) == 1 && out.Hostnames[0] != "" {
		p.host = out.Hostnames[0]
	}
	keep := make([]bool, len(out.Planes))
	chosen, gpu := false, false
	for i := range out.Planes {
		if dev, ok := deviceOf(out.Planes[i].Name, p.host); ok && slices.ContainsFunc(p.opts.Devices, dev.Is) {
			keep[i], chosen, gpu = true, true, gpu || dev.Kind == "gpu"
		}
	}
	for i, h := range out.Planes {
		switch {
		case h.Name == environmentPlane, h.Name == metadataPlane:
			keep[i] = true
		case strings.HasPrefix(h.Name, "/host:"):
			p.hosts += h.Bytes
		case strings.HasPrefix(h.Name, "/device:"):
			keep[i] = keep[i] || !chosen
		}
		if keep[i] {
			p.size += h.Bytes
		}
	}
	// Steps of GPUs are marked on host threads, and CPU devices are nothing else.
	hosts := !p.far || !chosen || gpu || p.opts.HostThreads || p.hosts <= hostLeast+p.size/hostShare
	for i, h := range out.Planes {
		if keep[i] || !strings.HasPrefix(h.Name, "/host:") {
			continue
		}
		if keep[i] = hosts; !hosts && !slices.Contains(p.left, h.Name) {
			p.left = append(p.left, h.Name)
		}
	}
	return keep
}

// report says what was left out.
func (p *partOf) report(t *Trace) {
	if len(p.left) == 0 {
		return
	}
	t.find(Finding{Code: "host-not-read", Severity: Info, Count: int64(len(p.left)),
		Message: fmt.Sprintf("the host's threads (%s: %d bytes, beside %d of the devices asked for and HLO) were not fetched: host time and compilations in steps are not known", strings.Join(p.left[:min(4, len(p.left))], ", "), p.hosts, p.size),
		Hint:    "without --device everything is read; a local copy is read whole"})
}
