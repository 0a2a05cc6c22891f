// SPDX-License-Identifier: Apache-2.0
//
// Counts how far @lenml/tokenizers (JavaScript) agrees with the expected ids of
// the real vocabularies. It is a second opinion: where it differs, its regular
// expressions are the browser's (U+0085 is no white space there, U+FEFF is, and
// the long s is no s) and its text cleaning its own.
//
//   node lenml.mjs CASES
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { TokenizerLoader } from "@lenml/tokenizers";

const cases = process.argv[2];
for (const name of fs.readdirSync(cases).filter((n) => n.startsWith("real_")).sort()) {
  const json = (file) => JSON.parse(fs.readFileSync(path.join(cases, name, file), "utf8"));
  const tokenizer = TokenizerLoader.fromPreTrained({
    tokenizerJSON: json("tokenizer.json"),
    tokenizerConfig: json("tokenizer_config.json"),
  });
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let equal = 0, different = 0, explained = 0;
  const shown = [];
  const lines = readline.createInterface({ input: fs.createReadStream(path.join(cases, name, "expect.jsonl")) });
  for await (const line of lines) {
    const row = JSON.parse(line);
    const text = decoder.decode(Buffer.from(row.t, "base64"));
    let ids = null;
    try {
      ids = tokenizer.encode(text, { add_special_tokens: false });
    } catch (e) {
      ids = String(e);
    }
    if (JSON.stringify(ids) === JSON.stringify(row.ids)) {
      equal++;
      continue;
    }
    different++;
    if (/[\u0085\ufeff\u017f]/.test(text)) explained++;
    if (shown.length < Number(process.env.SHOW ?? 0)) shown.push(JSON.stringify(text));
  }
  console.log(`@lenml/tokenizers ${name}: ${equal} equal, ${different} different, ${explained} of these with U+0085, U+FEFF or U+017F`);
  for (const s of shown) console.log("   ", s);
}
