// SPDX-License-Identifier: Apache-2.0

package analyze

import "math"

// summariseDevices fills in the device table and the rows' wall shares.
//
// A device whose ops are properly nested on one track has a wall share equal to
// its self time; with several tracks (CPU threads, GPU streams) or overlapping
// ops each instant is split, see [study.shareWall].
func (s *study) summariseDevices() error {
	marks := make(map[int]span) // of Steps lines, by device
	for _, m := range s.t.Steps {
		sp, ok := marks[m.Device]
		if end := m.Start.Add(m.Dur); !ok {
			sp = span{m.Start, end}
		} else {
			sp = span{min(sp.start, m.Start), max(sp.end, end)}
		}
		marks[m.Device] = sp
	}
	for _, d := range s.devices {
		dev := &s.t.Devices[d]
		out := Device{
			Name: dev.Name, Host: dev.Host, Kind: dev.Kind, Type: dev.Type,
			PeakFLOPs: dev.PeakFLOPs, PeakHBM: dev.PeakHBM,
		}
		first, last := Time(math.MaxInt64), Time(math.MinInt64)
		for _, i := range s.tracksOn[d] {
			tt := &s.tallies[i]
			out.Tracks++
			out.OpTime += tt.lane.opTime
			out.OpEvents += tt.lane.occurrences
			if tt.lane.last > tt.lane.first {
				first, last = min(first, tt.lane.first), max(last, tt.lane.last)
			}
			out.Busy = tt.lane.busy
		}
		if sp, ok := marks[d]; ok {
			first, last = min(first, sp.start), max(last, sp.end)
		}
		if err := s.deviceWall(d, &out); err != nil {
			return err
		}
		if last > first {
			out.Window = last.Sub(first)
		}
		if s.t.Lossy != "" {
			out.Window = s.t.Wall
		}
		out.Window = max(out.Window, out.Busy)
		out.Idle = out.Window - out.Busy
		s.out.Devices = append(s.out.Devices, out)
	}
	return nil
}

// deviceWall computes busy time and wall shares of one device.
func (s *study) deviceWall(d int, out *Device) error {
	if s.opts.OpsOnly {
		busy, err := s.busyUnion(d, out.Busy)
		out.Busy, out.WallShare = busy, busy
		return err
	}
	if !s.simple(d) {
		busy, err := s.shareWall(d)
		out.Busy, out.WallShare = busy, busy
		return err
	}
	out.WallShare = out.Busy
	return nil
}

// simple says whether a device's self times are its wall shares: one track,
// properly nested.
func (s *study) simple(device int) bool {
	on := s.tracksOn[device]
	return len(on) == 1 && s.tallies[on[0]].lane.opTime == s.tallies[on[0]].lane.busy
}
