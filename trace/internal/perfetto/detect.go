// SPDX-License-Identifier: Apache-2.0

package perfetto

// LooksLikeTrace reports whether a file that begins with head can be a Perfetto
// trace. Its first packets decide: an XSpace begins with the same byte, but a
// plane has fields 1 to 6 only, of given wire types. 4 KiB are safe.
func LooksLikeTrace(head []byte) bool {
	b := append(append(make([]byte, 0, len(head)+slack), head...), make([]byte, slack)...)
	p, end := 0, len(head)
	for packets := 0; packets < 16 && p < end; packets++ {
		if b[p] != packetTag {
			return false
		}
		n, at := uvarint(b, p+1)
		if at > end || n > 1<<50 {
			return false
		}
		stop := end
		if n <= uint64(end-at) {
			stop = at + int(n)
		}
		switch judge(b, at, stop) {
		case 1:
			return true
		case -1:
			return false
		}
		p = at + int(min(n, uint64(end)))
	}
	return false
}

// judge says what the fields of a message tell: 1 a packet, -1 something else, 0
// nothing.
func judge(b []byte, p, end int) int {
	for p < end {
		tag, q := tagOf(b, p)
		if q > end {
			return 0
		}
		num, wire := int(tag>>3), tag&7
		switch {
		case num == 0 || wire == 3 || wire == 4 || wire > 5:
			return -1
		case wire == wireVarint && (num == packetTimestamp || num == packetSequence || num == packetFlags || num == packetClockID ||
			num == packetDropped || num == packetCleared || num == 3 || num == 79 || num == packetFirst || num == packetMachine):
			return 1
		case wire == wireBytes && (num == packetTrackEvent || num == packetInterned || num == packetTrack || num == packetDefaults ||
			num == packetZlib || num == packetZstd || num == 33 || num == 36 || num == 89 || num == packetAttributes || num == PrivateField):
			return 1
		case num == 1 && wire == wireVarint:
			return -1 // XPlane.id; ftrace_events is a message
		}
		if p = skip(b, q, end, tag); p > end {
			return 0
		}
	}
	return 0
}
