// SPDX-License-Identifier: Apache-2.0

package svg

import "strings"

// PageStyle is [Style] for a page that is also printed: dark is for screens.
func PageStyle() string {
	return strings.Replace(Style(), "@media (prefers-color-scheme:dark)", "@media screen and (prefers-color-scheme:dark)", 1)
}
