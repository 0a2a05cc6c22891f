// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strconv"
	"strings"
	"sync"
)

// A NameID stands for the name of a span, an attribute or a counter, in every
// recorder of the process.
type NameID uint32

// Name registers a name. Call it once for each place in the program, not for
// each span: names are never forgotten, and there may be 2²⁸ of them.
func Name(s string) NameID {
	names.mu.RLock()
	id, ok := names.ids[s]
	names.mu.RUnlock()
	if ok {
		return id
	}
	names.mu.Lock()
	defer names.mu.Unlock()
	if id, ok := names.ids[s]; ok {
		return id
	}
	if names.ids == nil {
		names.ids = make(map[string]NameID)
	}
	id = NameID(len(names.list))
	s = strings.Clone(s)
	names.ids[s] = id
	names.list = append(names.list, s)
	return id
}

var names struct {
	mu   sync.RWMutex
	ids  map[string]NameID
	list []string
}

func (id NameID) String() string {
	names.mu.RLock()
	defer names.mu.RUnlock()
	if int(id) < len(names.list) {
		return names.list[id]
	}
	return "(name " + strconv.Itoa(int(id)) + ")"
}

// The names of stats that readers of XSpaces know.
var (
	nameRoot    = Name("_r")
	nameStepNum = Name("step_num")

	nameAllocation    = Name("MemoryAllocation")
	nameDeallocation  = Name("MemoryDeallocation")
	nameAllocator     = Name("allocator_name")
	nameReserved      = Name("bytes_reserved")
	nameAllocated     = Name("bytes_allocated")
	nameAvailable     = Name("bytes_available")
	namePeak          = Name("peak_bytes_in_use")
	nameFragmentation = Name("fragmentation")
	nameRequested     = Name("requested_bytes")
	nameAllocBytes    = Name("allocation_bytes")
	nameAddr          = Name("addr")
	nameScope         = Name("tf_op")
	nameRegion        = Name("region_type")
	nameShape         = Name("shape")
)

// A textTable keeps the texts of one recording's attributes, once each.
type textTable struct {
	mu    sync.Mutex
	ids   map[string]uint64
	list  []string
	bytes int
	lost  int64
}

// maxTextBytes bounds the texts of a recording: request ids of a server that is
// recorded for hours.
const maxTextBytes = 64 << 20

func (t *textTable) id(s string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.ids[s]; ok {
		return id
	}
	if t.bytes+len(s) > maxTextBytes {
		t.lost++
		return 0
	}
	s = strings.Clone(s)
	id := uint64(len(t.list))
	t.ids[s] = id
	t.list = append(t.list, s)
	t.bytes += len(s) + 64
	return id
}

// reset empties the table for a recording. Text 0 is what there was no room for.
func (t *textTable) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	const none = "(no room)"
	t.ids, t.list, t.bytes, t.lost = map[string]uint64{none: 0}, []string{none}, 0, 0
}

// take returns the texts so far.
func (t *textTable) take() (list []string, lost int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list[:len(t.list):len(t.list)], t.lost
}
