// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/layerscope/layerscope/internal/fakegcs"
)

func TestMain(m *testing.M) {
	fakegcs.Main()
	victim()
	goleak.VerifyTestMain(m)
}
