// SPDX-License-Identifier: Apache-2.0
// Prefills 128 tokens with llama.cpp and prints the best time of 15 in
// milliseconds: node speed.mjs MODEL.gguf. Which of its CPU libraries llama.cpp
// chose, and the instructions that it uses, go to standard error.
// LAYERSCOPE_SPEED_CORES is the number of threads (default all cores): one tells
// more on a machine that others use, because its threads wait for each other
// turning on the spot.
import {existsSync, readFileSync} from "node:fs";
import {getLlama} from "node-llama-cpp";

const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: process.argv[2], gpuLayers: 0});
const maps = existsSync("/proc/self/maps") ? readFileSync("/proc/self/maps", "utf8") : "";
console.error("llama.cpp:", maps.match(/libggml-cpu-\w+\.so/)?.[0] ?? "CPU library not known", "of", llama.cpuMathCores, "cores;", llama.systemInfo.trim());
const threads = Number(process.env.LAYERSCOPE_SPEED_CORES) || llama.cpuMathCores;
const best = {};
for (const flashAttention of [false, true]) {
    const context = await model.createContext({contextSize: 256, batchSize: 256, sequences: 1, flashAttention, threads});
    const sequence = context.getSequence();
    best[flashAttention] = Infinity;
    for (let run = 0; run < 15; run++) {
        await sequence.clearHistory();
        const ids = Array.from({length: 128}, (_, i) => (i * 37 + run) % 8000);
        const next = {logits: {filter: {tokens: [1]}}, options: {temperature: 0}};
        const began = performance.now();
        await sequence.controlledEvaluate(ids.map((id, k) => k === ids.length - 1 ? [id, {generateNext: next}] : id));
        best[flashAttention] = Math.min(best[flashAttention], performance.now() - began);
    }
    await context.dispose();
}
await model.dispose();
await llama.dispose();
console.log(Math.min(best.false, best.true).toFixed(2));
