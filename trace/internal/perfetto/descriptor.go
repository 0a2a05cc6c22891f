// SPDX-License-Identifier: Apache-2.0

package perfetto

// A Track is a TrackDescriptor.
type Track struct {
	UUID, Parent uint64
	HasParent    bool
	Name         StringID
	Description  StringID
	Ns           int64 // of the packet; 0 if it has no time

	HasProcess bool
	HasThread  bool
	Pid        int32
	Tid        int64
	Owner      StringID // name of the process or thread
	HasCounter bool
	Unit       string // of a counter: "ns", "count", "bytes", or its own name
	State      bool
}

// Field numbers of TrackDescriptor and what is in it.
const (
	trackUUID        = 1
	trackName        = 2
	trackProcess     = 3
	trackThread      = 4
	trackParent      = 5
	trackCounter     = 8
	trackStaticName  = 10
	trackSystemName  = 13
	trackDescription = 14
	trackState       = 18

	processPid     = 1
	processCmdline = 2
	processName    = 6

	counterType        = 1
	counterUnit        = 3
	counterMultiplier  = 4
	counterIncremental = 5
	counterUnitName    = 6
)

// describe reads a TrackDescriptor.
func (rd *Reader) describe(sq *sequence) Kind {
	pk, b, bad := &rd.packet, rd.win.b, false
	tr := &rd.Track
	*tr = Track{Ns: int64(pk.time)}
	hasUUID := false
	var thread, counter span
	s := pk.payload
	for f := (field{}); s.next(b, &f, &bad); {
		switch {
		case f.wire == wireVarint && f.num == trackUUID:
			tr.UUID, hasUUID = f.val, true
		case f.wire == wireVarint && f.num == trackParent:
			tr.Parent, tr.HasParent = f.val, true
		case f.wire != wireBytes:
		case f.num == trackName, f.num == trackStaticName, f.num == trackSystemName:
			tr.Name = rd.intern(f.span.bytes(b))
		case f.num == trackDescription:
			tr.Description = rd.intern(f.span.bytes(b))
		case f.num == trackProcess:
			tr.HasProcess = true
			rd.trackProcess(f.span, &bad)
		case f.num == trackThread:
			tr.HasThread, thread = true, f.span
			rd.trackThread(f.span, &bad)
		case f.num == trackCounter:
			tr.HasCounter, counter = true, f.span
		case f.num == trackState:
			tr.State = true
		}
	}
	if bad || !hasUUID {
		rd.complain(DamagedPacket, "a track descriptor that cannot be decoded, or without a uuid")
		return None
	}
	if tr.HasCounter {
		rd.trackCounter(counter)
	}
	if tr.HasThread && sq.valid && sq != &rd.nobody {
		rd.threadDescriptor(sq, thread)
	}
	return TrackRecord
}

func (rd *Reader) trackProcess(s span, bad *bool) {
	b, tr := rd.win.b, &rd.Track
	var command span
	for f := (field{}); s.next(b, &f, bad); {
		switch {
		case f.num == processPid && f.wire == wireVarint:
			tr.Pid = int32(f.val)
		case f.num == processName && f.wire == wireBytes:
			tr.Owner = rd.intern(f.span.bytes(b))
		case f.num == processCmdline && f.wire == wireBytes && command.at == 0:
			command = f.span
		}
	}
	if tr.Owner == 0 && command.at != 0 {
		tr.Owner = rd.intern(command.bytes(b))
	}
}

func (rd *Reader) trackThread(s span, bad *bool) {
	b, tr := rd.win.b, &rd.Track
	for f := (field{}); s.next(b, &f, bad); {
		switch {
		case f.num == threadPid && f.wire == wireVarint:
			tr.Pid = int32(f.val)
		case f.num == threadTid && f.wire == wireVarint:
			tr.Tid = int64(f.val)
		case f.num == threadName && f.wire == wireBytes:
			tr.Owner = rd.intern(f.span.bytes(b))
		}
	}
}

var counterUnits = [...]string{"", "ns", "count", "bytes"}

// trackCounter reads a CounterDescriptor. Values before it have no meaning, so
// the first one counts.
func (rd *Reader) trackCounter(s span) {
	b, tr, bad := rd.win.b, &rd.Track, false
	ct := counterTrack{unit: 1}
	builtin := uint64(0)
	for f := (field{}); s.next(b, &f, &bad); {
		switch {
		case f.num == counterUnitName && f.wire == wireBytes:
			tr.Unit = string(f.span.bytes(b))
		case f.wire != wireVarint:
		case f.num == counterType:
			builtin = f.val
		case f.num == counterUnit && f.val > 0 && f.val < uint64(len(counterUnits)):
			tr.Unit = counterUnits[f.val]
		case f.num == counterMultiplier && f.val != 0:
			ct.unit = float64(int64(f.val))
		case f.num == counterIncremental:
			ct.incremental = f.val != 0
		}
	}
	switch builtin {
	case 1:
		tr.Unit = "ns"
	case 2:
		tr.Unit = "count"
	}
	if name := [...]string{"", "thread_time", "thread_instruction_count"}; tr.Name == 0 && builtin < uint64(len(name)) {
		tr.Name = rd.intern([]byte(name[builtin]))
	}
	if _, ok := rd.counters[tr.UUID]; !ok && !bad {
		rd.counters[tr.UUID] = ct
	}
}

// A ProcessName names a process (Tid 0) or a thread.
type ProcessName struct {
	Pid  int32
	Tid  int64
	Name StringID
}

// Field numbers of ProcessTree.
const (
	treeProcesses = 1
	treeThreads   = 2

	treeProcessPid     = 1
	treeProcessCmdline = 3
	treeThreadTid      = 1
	treeThreadName     = 2
	treeThreadPid      = 3
)

// processNames reads names from a ProcessTree or one of the old descriptors.
func (rd *Reader) processNames() Kind {
	pk, b, bad := &rd.packet, rd.win.b, false
	rd.Names = rd.Names[:0]
	s := pk.payload
	switch pk.kind {
	case packetProcess:
		rd.addName(s, processPid, 0, processName, processCmdline, &bad)
	case packetThread:
		rd.addName(s, threadPid, threadTid, threadName, 0, &bad)
	default:
		for f := (field{}); s.next(b, &f, &bad); {
			switch {
			case f.wire == wireBytes && f.num == treeProcesses:
				rd.addName(f.span, treeProcessPid, 0, treeProcessCmdline, 0, &bad)
			case f.wire == wireBytes && f.num == treeThreads:
				rd.addName(f.span, treeThreadPid, treeThreadTid, treeThreadName, 0, &bad)
			}
		}
	}
	if bad {
		rd.complain(DamagedPacket, "names of processes that cannot be decoded to their end")
	}
	if len(rd.Names) == 0 {
		return None
	}
	return NamesRecord
}

// addName reads one process or thread whose fields have the given numbers. Of
// several names, as of a command line, the first counts.
func (rd *Reader) addName(s span, pid, tid, name, other int, bad *bool) {
	b := rd.win.b
	var n ProcessName
	var text, instead span
	for f := (field{}); s.next(b, &f, bad); {
		switch {
		case f.wire == wireVarint && f.num == pid:
			n.Pid = int32(f.val)
		case f.wire == wireVarint && f.num == tid && tid != 0:
			n.Tid = int64(f.val)
		case f.wire == wireBytes && f.num == name && text.at == 0:
			text = f.span
		case f.wire == wireBytes && f.num == other && other != 0 && instead.at == 0:
			instead = f.span
		}
	}
	if text.at == 0 {
		text = instead
	}
	if text.at != 0 && text.end > text.at && !*bad {
		n.Name = rd.intern(text.bytes(b))
		rd.Names = append(rd.Names, n)
	}
}
