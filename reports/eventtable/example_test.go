// SPDX-License-Identifier: Apache-2.0

package eventtable_test

import (
	"fmt"
	"os"

	"github.com/layerscope/layerscope/reports/eventtable"
)

func Example() {
	rows := func(yield func(*eventtable.Row, error) bool) {
		yield(&eventtable.Row{Host: "h", Device: "/device:TPU:0", Track: "XLA Ops", Kind: "ops", StartPs: 1000, DurPs: 250, Op: "dot.1", Program: "jit_f", Layer: "layer_0", Count: 1}, nil)
	}
	if err := eventtable.CSV(os.Stdout, rows); err != nil {
		fmt.Println(err)
	}
	// Output:
	// host,device,track,kind,start_ps,dur_ps,op,program,category,scope,layer,component,run_id,count,flops,bytes,value
	// h,/device:TPU:0,XLA Ops,ops,1000,250,dot.1,jit_f,,,layer_0,,0,1,0,0,
}
