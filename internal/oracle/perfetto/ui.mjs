// SPDX-License-Identifier: Apache-2.0
//
// Loads traces into the Perfetto UI in headless Chromium and asks its trace
// processor about them.
//
//   node ui.mjs CHROMIUM SITE CASES
//
// SITE is a folder with the UI, served here on 127.0.0.1 only; CASES has
// NAME.pftrace and NAME.json for each case. Pictures of the loaded UI are left
// beside them.
import { chromium } from "playwright-core";
import { createServer } from "node:http";
import { readFileSync, existsSync, readdirSync } from "node:fs";
import { join, normalize, extname } from "node:path";

const [executablePath, site, cases] = process.argv.slice(2);
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".json": "application/json", ".svg": "image/svg+xml" };

// This build of the UI asks its server whether it has a trace, and opens it.
let current = "";
const server = createServer((req, res) => {
  const path = normalize(decodeURIComponent(new URL(req.url, "http://x").pathname));
  if (path === "/vizviewer_info") {
    res.writeHead(200, { "Content-Type": "application/json" }).end("{}");
    return;
  }
  const file = path === "/localtrace" ? join(cases, current + ".pftrace") : join(site, path === "/" ? "index.html" : path);
  if (path.includes("..") || !existsSync(file)) {
    res.writeHead(404).end();
    return;
  }
  res.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});

// sql runs a query in the page; cells come back as text.
async function sql(page, text, columns) {
  return page.evaluate(async ([text, columns]) => {
    const result = await window.app.trace.engine.query(text);
    const rows = [];
    for (const it = result.iter({}); it.valid(); it.next()) rows.push(columns.map((c) => String(it.get(c))));
    return rows;
  }, [text, columns]);
}

async function check(name) {
  const want = JSON.parse(readFileSync(join(cases, name + ".json"), "utf8"));
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
  const errors = [];
  page.on("pageerror", (e) => errors.push(String(e)));
  try {
    current = name;
    await page.goto(origin + "/", { waitUntil: "domcontentloaded" });
    await page.waitForFunction(() => window.app?.trace !== undefined, null, { timeout: 120000 });
    const problems = [];
    const events = "from slice s join args a using (arg_set_id) where a.flat_key = 'debug.op'";
    const ps = "coalesce((select int_value from args d where d.arg_set_id = s.arg_set_id and d.flat_key = 'debug.dur_ps'), s.dur * 1000)";
    const got = {};
    for (const [op, n, sum] of await sql(page, `select s.name as name, count(*) as n, sum(${ps}) as ps ${events} group by 1`, ["name", "n", "ps"]))
      got[op] = [Number(n), Number(sum)];
    for (const op of new Set([...Object.keys(got), ...Object.keys(want.ops)]))
      if (String(got[op]) !== String(want.ops[op])) problems.push(`${op}: ${got[op]}, want ${want.ops[op]}`);
    const one = async (text) => Number((await sql(page, text, ["n"]))[0][0]);
    const figure = async (what, text, expected) => {
      const n = await one(text);
      if (n !== expected) problems.push(`${what}: ${n}, want ${expected}`);
    };
    await figure("nanoseconds", `select sum(s.dur) as n ${events}`, want.ns);
    await figure("slices without an end", "select count(*) as n from slice where dur < 0", 0);
    await figure("flows", "select count(*) as n from flow", want.flows);
    await figure("counter samples", "select count(*) as n from counter", want.samples);
    await figure("layers", "select count(distinct s.name) as n from slice s join track t on s.track_id = t.id where t.name like '% layers'", want.layers);
    await figure("devices and hosts", "select count(*) as n from process where pid > 0", want.processes);
    for (const [stat, n] of await sql(page, "select name, value from stats where severity in ('error', 'data_loss') and value > 0", ["name", "value"]))
      problems.push(`statistic ${stat}: ${n}`);
    await page.evaluate(() => window.app.trace.commands.runCommand("dev.perfetto.ExpandAllGroups")).catch(() => {});
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(cases, name + ".png") });
    if (errors.length) problems.push(...errors);
    console.log(`${problems.length ? "FAIL" : "ok  "} ${name}: ${await one("select count(*) as n from slice")} slices, ${await one("select count(*) as n from track")} tracks in the UI's trace processor`);
    for (const p of problems.slice(0, 12)) console.log("  " + p);
    return problems.length === 0;
  } finally {
    await page.close();
  }
}

let ok = true;
for (const file of readdirSync(cases).filter((f) => f.endsWith(".pftrace")).sort()) {
  try {
    ok = (await check(file.replace(/\.pftrace$/, ""))) && ok;
  } catch (e) {
    console.log(`FAIL ${file}: ${e}`);
    ok = false;
  }
}
await browser.close();
server.close();
process.exit(ok ? 0 : 1);
