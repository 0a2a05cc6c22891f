// SPDX-License-Identifier: Apache-2.0

// Package inflate decompresses gzip in pure Go, three times as fast as
// compress/gzip on trace files and in bounded memory.
//
// Trace files are gzip more often than not, and with the standard library a
// reader of them spends three quarters of its time in decompression. The
// decoder here follows the design of libdeflate (a 64-bit bit buffer refilled by
// eight bytes, one table entry a symbol that carries length, extra bits and base
// value, several literals a refill, matches copied by the word), made to stream:
// input and output pass through fixed windows.
//
//	z, err := inflate.NewReader(file, inflate.Options{})
//	if err != nil {
//		return err
//	}
//	for {
//		block, err := z.Next()
//		if err == io.EOF {
//			break
//		}
//		if err != nil {
//			return err
//		}
//		use(block)
//	}
//
// [Reader.Next] hands out the decoder's own window; [Reader.NextIn] decodes into
// a buffer of the caller's, so that one goroutine can decode while another uses
// the block before; [Reader.Read] and [Reader.WriteTo] are the usual interfaces.
//
// Whatever was decoded before an error is handed out before the error. Checksum,
// length, header checksum and the reach of every match are verified.
package inflate
