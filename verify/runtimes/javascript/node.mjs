// node node.mjs FOLDER_OF_LITERTJS_CORE: answers frames on stdin, each behind its length in four
// bytes, low byte first, on stdout; until stdin ends.

import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import vm from "node:vm";

import { answering } from "./answering.mjs";

const WORD = 4;
const core = process.argv[2];

// stdout is for frames; all that is said goes to stderr.
for (const level of ["debug", "info", "log", "warn"]) {
  console[level] = console.error;
}

// LiteRT.js looks for a browser's worker, and its wasm loader for a script of CommonJS.
globalThis.self = globalThis;
globalThis.require = createRequire(import.meta.url);
globalThis.importScripts = (path) => {
  globalThis.__filename = path;
  globalThis.__dirname = join(path, "..");
  vm.runInThisContext(readFileSync(path, "utf8"), { filename: path });
};

const litert = await import(pathToFileURL(join(core, "dist", "index.js")).href);
const answer = answering(litert, join(core, "wasm") + sep, ({ path }) => readFileSync(path));

function send(frame) {
  const length = new Uint8Array(WORD);
  new DataView(length.buffer).setUint32(0, frame.length, true);
  for (let bytes of [length, frame]) {
    while (bytes.length) {
      bytes = bytes.subarray(writeSync(1, bytes));
    }
  }
}

async function* frames() {
  let waiting = Buffer.alloc(0);
  for await (const block of process.stdin) {
    waiting = waiting.length ? Buffer.concat([waiting, block]) : block;
    while (waiting.length >= WORD && waiting.length >= WORD + waiting.readUInt32LE(0)) {
      const end = WORD + waiting.readUInt32LE(0);
      yield waiting.subarray(WORD, end);
      waiting = waiting.subarray(end);
    }
  }
}

for await (const frame of frames()) {
  send(await answer(frame));
}
