// SPDX-License-Identifier: Apache-2.0
// Opens converted profiles in speedscope's release, served on this machine.
//   node speedscope.mjs CHROMIUM RELEASE CASES
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { join, normalize } from "node:path";
import { chromium } from "playwright-core";

const [, , executablePath, release, cases] = process.argv;
const server = createServer(async (req, res) => {
  const path = normalize(decodeURIComponent(new URL(req.url, "http://x").pathname)).replace(/^(\.\.[/\\])+/, "");
  for (const dir of [release, cases]) {
    try {
      const body = await readFile(join(dir, path === "/" ? "index.html" : path));
      res.setHeader("Content-Type", path.endsWith(".js") ? "text/javascript" : path.endsWith(".css") ? "text/css" : path === "/" || path.endsWith(".html") ? "text/html" : "application/octet-stream");
      res.end(body);
      return;
    } catch {}
  }
  res.statusCode = 404;
  res.end();
});
await new Promise((r) => server.listen(0, "127.0.0.1", r));
const base = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
let failed = 0;
for (const [file, want] of [["base_a.speedscope.json", "base_a.xplane.pb.gz"], ["base_a.folded", "base_a.folded"]]) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("console", (m) => m.type() === "error" && !/404/.test(m.text()) && errors.push(m.text()));
  await page.goto(`${base}#profileURL=${encodeURIComponent(base + file)}`);
  let title = "";
  for (let i = 0; i < 100 && !title.includes(want); i++) {
    await page.waitForTimeout(100);
    title = await page.title();
  }
  if (!title.includes(want) || errors.length > 0) {
    console.log(`FAIL speedscope: ${file}: title ${JSON.stringify(title)}, errors ${JSON.stringify(errors.slice(0, 3))}`);
    failed = 1;
  } else {
    console.log(`speedscope: ${file}: opened as ${JSON.stringify(title)}`);
  }
  await page.close();
}
await browser.close();
server.close();
process.exit(failed);
