// Runs the golden inputs on this device, says whether all is as expected, then does the job.

import { decode } from "./decoding.js";
import { readMessages } from "./detector.js";
import { byId, element, figure, megabytes, milliseconds } from "./elements.js";
import { drawPictures, imageData } from "./generator.js";
import { compare, compareTensor, readTensors } from "./goldens.js";
import { messageOf } from "./messages.js";
import { tensorOf } from "./preprocessing.js";
import { open, start, time, webGpuFault } from "./runtime.js";

const began = performance.now();

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is missing from this folder (${answer.status})`);
  return answer;
}
const readBytes = async (path) => (await fetched(path)).arrayBuffer();
const readJson = async (path) => (await fetched(path)).json();

function say(sentence) {
  byId("lead").textContent = sentence;
}

/** Whether the model's bytes are those that were bundled; null where that cannot be told. */
async function isBundled(bytes, index) {
  if (!crypto.subtle) return null; // only https and localhost have it
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return hex.join("") === index.model.sha256;
}

/** Every golden through `run`: its comparisons, inputs and outputs. */
async function runGoldens(index, contract, run, onEach) {
  const results = [];
  for (const golden of index.goldens) {
    let inputs = await readTensors(index.inputs, golden.inputs, readBytes);
    const expected = await readTensors(index.outputs, golden.outputs, readBytes);
    const checks = [];
    if (golden.picture) {
      const pixels = await decode(await (await fetched(golden.picture)).blob());
      const tensor = tensorOf(pixels, contract);
      checks.push(compareTensor(inputs[contract.input], tensor, contract));
      inputs = { [contract.input]: tensor };
    }
    const outputs = await run(inputs);
    checks.push(...compare(index, expected, outputs));
    results.push({ golden, inputs, outputs, checks, passed: checks.every(({ passed }) => passed) });
    onEach(results.at(-1));
    await new Promise((resume) => setTimeout(resume));
  }
  return results;
}

/** One row of the table of goldens. */
function showGolden(index, { golden, outputs, checks, passed }) {
  const pictures = element("div", { class: "pair" });
  if (golden.picture ?? golden.preview) {
    pictures.append(element("img", { src: golden.picture ?? golden.preview, alt: "" }));
  }
  if (golden.preview) {
    const output = index.outputs[0];
    const [, height, width] = output.shape;
    const canvas = element("canvas", { width, height });
    canvas.getContext("2d").putImageData(imageData(outputs[output.name], output.shape, index.job), 0, 0);
    pictures.append(canvas);
  }
  const words = golden.preview ? "expected, and drawn here" : "";
  const message = golden.message && messageOf(index, outputs);
  byId("goldens-rows").append(
    element(
      "tr", { class: passed ? "" : "failed" },
      element("th", { scope: "row" }, mark(passed), ` ${golden.title}`, element("span", { class: "words" }, words)),
      element("td", {}, pictures, message ? element("code", { class: "words" }, message.hex.length > 32 ? `${message.hex.slice(0, 32)}…` : message.hex) : ""),
      element(
        "td", {},
        element("dl", { class: "checks" }, ...checks.flatMap(({ metric, value, sign, bound, passed: held, meaning }) => [
          element("dt", { title: meaning }, metric.replaceAll("_", " ")),
          element("dd", { class: held ? "" : "fail" }, `${figure(value)} `, element("span", {}, `${sign} ${figure(bound)}`)),
        ])),
      ),
    ),
  );
}

function showVerdict(index, results, bundled) {
  const failed = results.filter(({ passed }) => !passed).length;
  const passed = failed === 0 && bundled !== false;
  byId("verdict").textContent = passed ? "PASS" : "FAIL";
  byId("verdict").className = passed ? "pass" : "fail";
  document.title = `${passed ? "PASS" : "FAIL"}: ${index.model.file}`;
  const by = index.expected.by === "pytorch" ? "PyTorch computed" : "LiteRT computed where the bundle was made";
  const count = `${results.length - failed} of ${results.length} golden inputs give here what ${by}, within the limits.`;
  say(bundled === false ? `The model file is not the one that was bundled. ${count}` : count);
  const integrity = { true: "the one that was bundled, by its SHA-256", false: "NOT the one that was bundled: its SHA-256 differs", null: "not checked by SHA-256: that needs https" };
  byId("integrity").textContent = integrity[bundled];
  byId("took-to-verdict").textContent = milliseconds(Math.round(performance.now() - began));
}

/** One row of the table of speeds: how fast it ran, or why it did not. */
function showSpeed(name, { speed = null, passed = null, reason = "" }) {
  const [title, by] = name === "wasm" ? ["processor", "wasm"] : ["graphics card", "WebGPU"];
  const words = element("span", { class: "words" }, by);
  const row = element("tr", { id: `speed-${name}` }, element("th", { scope: "row" }, title, words));
  if (speed) {
    const cells = [milliseconds(speed.p50), milliseconds(speed.p90), speed.runs];
    row.append(element("td", {}, mark(passed), element("span", { class: "words" }, reason)));
    row.append(...cells.map((cell) => element("td", { class: "number" }, String(cell))));
  } else {
    row.append(element("td", { colspan: 4 }, element("span", { class: "words" }, `not run: ${reason}`)));
  }
  byId("speed-rows").append(row);
}

function mark(passed) {
  return element("span", { class: passed ? "mark pass" : "mark fail" }, passed ? "pass" : "FAIL");
}

/** The same goldens on WebGPU, where there is one. */
async function tryWebGpu(bytes, index, contract) {
  const fault = webGpuFault();
  if (fault) return showSpeed("webgpu", { reason: fault });
  try {
    const run = await open(bytes, index, "webgpu");
    const results = await runGoldens(index, contract, run, () => {});
    const missed = results.flatMap(({ checks }) => checks).filter(({ passed }) => !passed);
    const reason = missed.map(({ metric, value }) => `${metric} ${figure(value)}`).join(", ");
    const speed = await time(run, results[0].inputs);
    return showSpeed("webgpu", { speed, passed: missed.length === 0, reason });
  } catch (error) {
    return showSpeed("webgpu", { reason: error.message });
  }
}

async function main() {
  byId("not-served").remove();
  say("Reading the bundle …");
  const [index, contract] = await Promise.all([readJson("goldens/index.json"), readJson("preprocessing.json")]);
  say(`Loading LiteRT.js and the model, ${megabytes(index.model.size_bytes)} …`);
  const [buffer] = await Promise.all([readBytes(index.model.file), start()]);
  const bytes = new Uint8Array(buffer);
  const bundled = await isBundled(bytes, index);
  say("Running the golden inputs …");
  const run = await open(bytes, index, "wasm");
  const results = await runGoldens(index, contract, run, (result) => showGolden(index, result));
  showVerdict(index, results, bundled);
  const speed = await time(run, results[0].inputs);
  showSpeed("wasm", { speed, passed: results.every(({ passed }) => passed) });
  if (index.job?.does === "draw-pictures") await drawPictures(byId("job"), index, run);
  if (index.job?.does === "read-messages") readMessages(byId("job"), index, contract, run);
  await tryWebGpu(bytes, index, contract);
  document.body.dataset.done = "true";
}

main().catch((error) => {
  byId("verdict").textContent = "FAIL";
  byId("verdict").className = "fail";
  say(`The model could not be run here: ${error.message}`);
  document.body.dataset.done = "true";
});
