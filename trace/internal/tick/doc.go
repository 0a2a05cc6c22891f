// SPDX-License-Identifier: Apache-2.0

// Package tick reads the cheapest clock there is, and turns its ticks into
// nanoseconds of the monotonic clock afterwards.
//
// On amd64 that is the time stamp counter where the processor says that it runs
// at one rate for ever (CPUID leaf 0x80000007) and the kernel trusts it too;
// elsewhere it is the runtime's monotonic clock, whose ticks are nanoseconds. A
// [Clock] is compared with the monotonic clock every ten milliseconds or so
// ([Clock.Calibrate]); a [Scale] interpolates between those pairs.
package tick
