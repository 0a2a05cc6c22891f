// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/layerscope/layerscope/engine"
)

func Example() {
	e, err := engine.Open(engine.Options{}) // the model in the package
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	yes, _ := e.LabelID(" yes")
	no, _ := e.LabelID(" no")
	items := []string{" a red apple", " a red dog", " the dog is blue"}
	result, err := e.Score(context.Background(), engine.Request{
		Query: "Find a red animal.", Items: items, Labels: []int32{yes, no}, Softmax: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	for i, item := range items {
		fmt.Printf("%-17s %t\n", item, result.Scores[i][0] > 0.5)
	}
	// Output:
	//  a red apple      false
	//  a red dog        true
	//  the dog is blue  false
}

func ExampleEngine_Score_refused() {
	e, err := engine.Open(engine.Options{Model: "random:qwen3-tiny"})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	_, err = e.Score(context.Background(), engine.Request{Query: "Is it red?", Items: []string{}})
	var refused *engine.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Code)
	}
	// Output: empty_items
}

func ExampleParseInjection() {
	faults, err := engine.ParseInjection("slow:layer_3/mlp=1.5x,recompile:prefill=2")
	if err != nil {
		log.Fatal(err)
	}
	e, err := engine.Open(engine.Options{Inject: faults})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	fmt.Println(e.Metadata()["injected"])
	// Output: slow:layer_3/mlp=1.5x,recompile:prefill=2
}

// A request's items can be computed in three ways, with the same scores.
func ExampleAlgorithm() {
	e, err := engine.Open(engine.Options{Model: "random:qwen3-tiny"})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	r := engine.Request{QueryIDs: make([]int32, 100), ItemIDs: make([][]int32, 8), Labels: []int32{1}}
	for i := range r.ItemIDs {
		r.ItemIDs[i] = []int32{int32(i), 7}
	}
	for _, a := range []engine.Algorithm{engine.Serial, engine.Packed, engine.PrefillExtend} {
		r.Algorithm = a
		result, err := e.Score(context.Background(), r)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(a, result.Sequences, "passes,", result.Tokens, "tokens")
	}
	// Output:
	// serial 8 passes, 816 tokens
	// packed 1 passes, 116 tokens
	// prefill_extend 2 passes, 116 tokens
}
