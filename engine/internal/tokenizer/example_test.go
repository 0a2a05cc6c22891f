// SPDX-License-Identifier: Apache-2.0

package tokenizer_test

import (
	"fmt"
	"log"

	"github.com/layerscope/layerscope/engine/internal/tokenizer"
)

// A query and an item are encoded apart and joined as ids, so that no merge
// reaches across the seam.
func Example() {
	tk, err := tokenizer.Load("testdata/hf/llama2")
	if err != nil {
		log.Fatal(err)
	}
	query := tk.Encode("the query", tokenizer.EncodeOptions{})
	item := tk.Encode("an item</s>", tokenizer.EncodeOptions{PlainText: true})
	for _, id := range append(query, item...) {
		token, _ := tk.Token(id)
		fmt.Printf("%s|", token)
	}
	fmt.Println()
	fmt.Println(tk.Decode(item))
	// Output:
	// ▁the|▁query|▁|an|▁i|te|m|<0x3C>|/|s|>|
	// an item</s>
}
