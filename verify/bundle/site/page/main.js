// Runs the golden inputs on this device, says whether all is as expected, then does the job.

import { decode } from "./decoding.js";
import { readMessages } from "./detector.js";
import { byId, figure, megabytes, pause } from "./elements.js";
import { drawPictures } from "./generator.js";
import { compare, compareAll, compareTensor, readTensors } from "./goldens.js";
import { tensorOf } from "./preprocessing.js";
import { open, start, time, webGpuFault } from "./runtime.js";
import { conclude, say, showGolden, showSpeed, showTogether, showVerdict } from "./showing.js";

const began = performance.now();

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is missing from this folder (${answer.status})`);
  return answer;
}
const readBytes = async (path) => (await fetched(path)).arrayBuffer();
const readJson = async (path) => (await fetched(path)).json();

/** Whether the model's bytes are those that were bundled; null where that cannot be told. */
async function isBundled(bytes, index) {
  if (!crypto.subtle) return null; // only https and localhost have it
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return hex.join("") === index.model.sha256;
}

/** Every golden through `run`: its inputs, outputs and comparisons; then those of all together. */
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
    const passed = checks.every((check) => check.passed !== false);
    results.push({ golden, inputs, outputs, checks, passed });
    onEach(results.at(-1));
    await pause();
  }
  const together = compareAll(index, results.flatMap(({ checks }) => checks));
  return { results, together };
}

/** The same goldens on WebGPU, where there is one. */
async function tryWebGpu(bytes, index, contract) {
  const fault = webGpuFault();
  if (fault) return showSpeed("webgpu", { reason: fault });
  try {
    const run = await open(bytes, index, "webgpu");
    const { results, together } = await runGoldens(index, contract, run, () => {});
    const all = [...results.flatMap(({ checks }) => checks), ...together];
    const missed = all.filter(({ passed }) => passed === false);
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
  const files = ["goldens/index.json", "preprocessing.json"];
  const [index, contract] = await Promise.all(files.map(readJson));
  say(`Loading LiteRT.js and the model, ${megabytes(index.model.size_bytes)} …`);
  const [buffer] = await Promise.all([readBytes(index.model.file), start()]);
  const bytes = new Uint8Array(buffer);
  const bundled = await isBundled(bytes, index);
  say("Preparing the model …");
  await pause();
  const run = await open(bytes, index, "wasm");
  say("Running the golden inputs …");
  await pause();
  const onEach = (result) => showGolden(index, result);
  const { results, together } = await runGoldens(index, contract, run, onEach);
  showTogether(together);
  const passed = [...results, ...together].every((item) => item.passed);
  const took = performance.now() - began;
  showVerdict(index, { results, passed, bundled, took });
  showSpeed("wasm", { speed: await time(run, results[0].inputs), passed });
  if (index.job?.does === "draw-pictures") await drawPictures(byId("job"), index, run);
  if (index.job?.does === "read-messages") readMessages(byId("job"), index, contract, run);
  await tryWebGpu(bytes, index, contract);
}

main()
  .catch((error) => {
    conclude(false, "the model could not be run here");
    say(`The model could not be run here: ${error.message}`);
  })
  .finally(() => {
    document.body.dataset.done = "true";
  });
