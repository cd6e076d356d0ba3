// One .tflite in LiteRT.js, in Node or on a page, and the frames that it is asked and answers in.
//
// A frame is the length of its header in four bytes, low byte first; the header as JSON, padded
// with spaces to a multiple of four bytes; then the values of the header's `tensors`, in order.

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
const WORD = 4;

export function encode(header, tensors = []) {
  const described = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  let text = JSON.stringify({ ...header, tensors: described });
  let head = new TextEncoder().encode(text);
  if (head.length % WORD) {
    text += " ".repeat(WORD - (head.length % WORD));
    head = new TextEncoder().encode(text);
  }
  const size = tensors.reduce((sum, tensor) => sum + tensor.values.byteLength, WORD + head.length);
  const frame = new Uint8Array(size);
  new DataView(frame.buffer).setUint32(0, head.length, true);
  frame.set(head, WORD);
  let place = WORD + head.length;
  for (const { values } of tensors) {
    frame.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), place);
    place += values.byteLength;
  }
  return frame;
}

export function decode(frame) {
  const whole = new Uint8Array(frame); // in its own buffer, so that values begin where words do
  const length = new DataView(whole.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(whole.subarray(WORD, WORD + length)));
  let place = WORD + length;
  const tensors = header.tensors.map(({ name, dtype, shape }) => {
    const count = shape.reduce((product, n) => product * n, 1);
    const values = new ARRAYS[dtype](whole.buffer, place, count);
    place += values.byteLength;
    return { name, dtype, shape, values };
  });
  return { header, tensors };
}

// What answers frames about one model: `litert` is the module @litertjs/core, `readModel` gives
// the bytes of the .tflite that a header names, and `wasm` is the folder of its wasm files.
export function answering(litert, wasm, readModel) {
  let model = null;

  async function open(header) {
    await litert.loadLiteRt(wasm);
    const bytes = await readModel(header);
    const started = performance.now();
    model = await litert.loadAndCompile(bytes, { accelerator: "wasm" });
    const init_ms = performance.now() - started;
    const described = ({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] });
    return encode({
      init_ms,
      relaxed_simd: await litert.supportsFeature("relaxedSimd"),
      inputs: model.getInputDetails().map(described),
      outputs: model.getOutputDetails().map(described),
    });
  }

  async function withInputs(tensors, use) {
    const inputs = {};
    try {
      for (const { name, shape, values } of tensors) {
        inputs[name] = new litert.Tensor(values, shape);
      }
      return await use(inputs);
    } finally {
      Object.values(inputs).forEach((tensor) => tensor.delete());
    }
  }

  async function infer(inputs) {
    const outputs = await model.run(inputs);
    const read = [];
    try {
      for (const { name, dtype, shape } of model.getOutputDetails()) {
        read.push({ name, dtype, shape: [...shape], values: await outputs[name].data() });
      }
    } finally {
      Object.values(outputs).forEach((tensor) => tensor.delete());
    }
    return read;
  }

  const run = (_header, tensors) =>
    withInputs(tensors, async (inputs) => encode({}, await infer(inputs)));

  const time = (header, tensors) =>
    withInputs(tensors, async (inputs) => {
      const latencies_ms = [];
      for (let turn = 0; turn < header.runs; turn += 1) {
        const started = performance.now();
        await infer(inputs);
        latencies_ms.push(performance.now() - started);
      }
      return encode({ latencies_ms });
    });

  const asked = { open, run, time };
  return async (frame) => {
    try {
      const { header, tensors } = decode(frame);
      return await asked[header.ask](header, tensors);
    } catch (error) {
      return encode({ error: String(error?.message ?? error) });
    }
  };
}
