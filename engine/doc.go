// SPDX-License-Identifier: Apache-2.0

// Package engine scores items against a query with a language model and shows
// its work: every layer is a named span, every byte of memory has an owner.
//
// Scoring means prefill only. For each item the model reads query+item, and the
// item's scores are the probabilities that it gives to the label tokens as the
// next one. Open loads a model (the small one that is part of the package, a
// Hugging Face directory, a llama2.c checkpoint, or random weights of any
// shape), Engine.Score answers requests, and Engine.SetTracer follows them.
//
// Query and item are tokenised separately and their ids joined, so that text
// and token ids give the same scores.
//
// See the package's Example for a program.
package engine
