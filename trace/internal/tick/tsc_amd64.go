// SPDX-License-Identifier: Apache-2.0

package tick

import (
	"os"
	"strings"
)

// rdtsc reads the time stamp counter. It is not ordered against loads and
// stores around it: what a span of a few nanoseconds holds is not exact, and an
// ordered read would cost as much again.
func rdtsc() uint64

func cpuid(leaf uint32) (eax, edx uint32)

// invariant says whether the counter runs at one rate in all power states, and
// whether the kernel found nothing wrong with it.
var invariant = func() bool {
	const leaf, bit = 0x80000007, 1 << 8
	if most, _ := cpuid(0x80000000); most < leaf {
		return false
	}
	if _, edx := cpuid(leaf); edx&bit == 0 {
		return false
	}
	b, err := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	if err != nil {
		return true // another system, or a sandbox: the processor's word
	}
	switch strings.TrimSpace(string(b)) {
	case "tsc", "kvm-clock", "hyperv_clocksource_tsc_page":
		return true // all three read the counter
	}
	return false
}()
