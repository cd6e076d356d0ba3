// The model in LiteRT.js, on the processor ("wasm") or on the graphics card ("webgpu").

import { pause } from "./elements.js";
import { getWebGpuDevice, loadAndCompile, loadLiteRt, Tensor } from "../litertjs/core.js";

const WARM_UPS = 3;
const MOST_RUNS = 60;
const MOST_MILLISECONDS = 2500; // a slow model is warm from its goldens, and timed few times

/** Start LiteRT.js; once, before anything else here. */
export async function start() {
  // Its library tells what it does on stderr, which would be the console's errors.
  const tells = /^(INFO|WARNING|VERBOSE): /;
  const printErr = (line) => (tells.test(line) ? console.debug(line) : console.error(line));
  globalThis.Module = { printErr };
  await loadLiteRt(new URL("../litertjs/wasm/", import.meta.url).href);
}

/** Why there is no WebGPU for the model, in a sentence; null where there is. */
export function webGpuFault() {
  if (!navigator.gpu) return "this browser offers no WebGPU here";
  return getWebGpuDevice() ? null : "this browser found no graphics card for WebGPU";
}

/**
 * The model's bytes to `run`: Float32Arrays by name in, Float32Arrays by name out.
 *
 * `index` tells the shapes. Throws where LiteRT.js refuses the file, or where WebGPU does not take
 * all of it, as it then would run on the processor.
 */
export async function open(bytes, index, accelerator) {
  const options = { accelerator, gpuOptions: { precision: "fp32" } };
  const model = await loadAndCompile(bytes, options);
  if (model.options.accelerator !== accelerator) {
    model.delete();
    throw new Error("WebGPU does not take every operation of this model");
  }
  return async (inputs) => {
    const given = {};
    for (const { name, shape } of index.inputs) given[name] = new Tensor(inputs[name], shape);
    const results = await model.run(given);
    const outputs = {};
    for (const { name } of index.outputs) outputs[name] = (await results[name].data()).slice();
    [...Object.values(given), ...Object.values(results)].forEach((tensor) => tensor.delete());
    return outputs;
  };
}

/** How long one run takes, in milliseconds, from values to values: {p50, p90, runs}. */
export async function time(run, inputs) {
  const taken = [];
  const end = performance.now() + MOST_MILLISECONDS;
  while (taken.length < WARM_UPS + MOST_RUNS && (!taken.length || performance.now() < end)) {
    const before = performance.now();
    await run(inputs);
    taken.push(performance.now() - before);
    await pause();
  }
  if (taken.length > 2 * WARM_UPS) taken.splice(0, WARM_UPS);
  taken.sort((one, other) => one - other);
  const quantile = (part) => taken[Math.ceil(part * taken.length) - 1];
  return { p50: quantile(0.5), p90: quantile(0.9), runs: taken.length };
}
