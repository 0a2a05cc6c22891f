// SPDX-License-Identifier: Apache-2.0

//go:build !unix || nocloud

package remote

func victim() {}
