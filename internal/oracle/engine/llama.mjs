// SPDX-License-Identifier: Apache-2.0
// Compares llama.cpp's probabilities on the GGUF files with expect.jsonl, which
// the Go engine is held against: node llama.mjs CASES GGUF
import fs from "node:fs";
import path from "node:path";
import {getLlama} from "node-llama-cpp";

const [cases, models] = process.argv.slice(2);
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
let failed = false;
for (const file of fs.readdirSync(models).filter((f) => f.endsWith(".gguf"))) {
    const model = await llama.loadModel({modelPath: path.join(models, file), gpuLayers: 0});
    const context = await model.createContext({contextSize: 256, sequences: 1, flashAttention: false,
        experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"});
    const sequence = context.getSequence();
    const expect = fs.readFileSync(path.join(cases, path.basename(file, ".gguf"), "expect.jsonl"), "utf8").trim().split("\n").map(JSON.parse);
    let worst = 0, n = 0;
    for (const c of expect) {
        for (const [i, item] of c.items.entries()) {
            const ids = c.item_first ? [...item, ...c.query] : [...c.query, ...item];
            await sequence.clearHistory();
            const next = {probabilities: true, options: {temperature: 1, topK: 0, topP: 1, minP: 0}};
            const input = ids.map((id, k) => k === ids.length - 1 ? [id, {generateNext: next}] : id);
            const out = await sequence.controlledEvaluate(input);
            const got = out[ids.length - 1].next.probabilities;
            c.log_probs[i].forEach((want, id) => {
                worst = Math.max(worst, Math.abs((got.get(id) ?? 0) / Math.exp(want) - 1));
                n++;
            });
        }
    }
    const bad = !(worst <= 1e-3);
    failed ||= bad || n === 0;
    console.log(`llama.cpp ${llama.llamaCppRelease.release} ${file}: ${n} probabilities, worst relative difference ${worst.toExponential(2)}${bad ? ", wanted 1e-3" : ""}`);
    await context.dispose();
    await model.dispose();
}
await llama.dispose();
process.exit(failed ? 1 : 0);
