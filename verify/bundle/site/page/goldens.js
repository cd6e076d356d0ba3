// The golden inputs of this folder, and how far outputs are from those that are expected.

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const sumOf = (values, of) => values.reduce((sum, value) => sum + of(value), 0);
const square = (value) => value * value;
const apart = (expected, found) =>
  Float64Array.from(expected, (value, place) => value - found[place]);

// As run_goldens.py has them: one golden at a time, its outputs side by side.
const METRICS = {
  max_abs_difference: (expected, found) => largest(apart(expected, found)),
  mean_abs_difference: (expected, found) =>
    sumOf(apart(expected, found), Math.abs) / expected.length,
  worst_psnr_db: (expected, found, span) =>
    10 * Math.log10(square(span) / (sumOf(apart(expected, found), square) / expected.length)),
  max_difference_of_largest: (expected, found) =>
    largest(apart(expected, found)) / largest(expected),
  relative_l2: (expected, found) =>
    Math.sqrt(sumOf(apart(expected, found), square) / sumOf(expected, square)),
  // The first value says whether there is a message, the others are its bits.
  surest_bit_flipped: (expected, found) => {
    const [wanted, said] = [expected.slice(1), found.slice(1)];
    if (said.some(Number.isNaN)) return NaN;
    const rms = Math.sqrt(sumOf(wanted, square) / wanted.length) || Number.MIN_VALUE;
    const flipped = wanted.filter((logit, bit) => logit > 0 !== said[bit] > 0);
    return largest(flipped) / rms;
  },
};

/** Float32 tensors by name, from files of raw little-endian values. */
export async function readTensors(described, files, readBytes) {
  const found = {};
  for (const { name, shape } of described) {
    const bytes = await readBytes(files[name]);
    const count = shape.reduce((product, side) => product * side, 1);
    if (bytes.byteLength !== 4 * count) {
      throw new Error(`${files[name]} has ${bytes.byteLength} bytes, not ${4 * count}`);
    }
    const view = new DataView(bytes);
    found[name] = Float32Array.from({ length: count }, (_, place) =>
      view.getFloat32(4 * place, true),
    );
  }
  return found;
}

/** One {metric, value, sign, bound, passed} for each limit of the index. */
export function compare(index, expected, found) {
  const joined = (outputs) =>
    Float64Array.from(index.outputs.flatMap(({ name }) => Array.from(outputs[name])));
  const [wanted, got] = [joined(expected), joined(found)];
  return index.limits.map(({ metric, bound, sense, meaning }) => {
    const value = METRICS[metric](wanted, got, index.span);
    const passed = sense === "at_least" ? value >= bound : value <= bound;
    return { metric, value, sign: sense === "at_least" ? "≥" : "≤", bound, passed, meaning };
  });
}

/** The tensor made of a picture against the golden one, likewise. */
export function compareTensor(golden, made, contract) {
  const bound = contract.tensor_tolerance.max_abs_difference;
  const value = METRICS.max_abs_difference(golden, made);
  const meaning = "largest difference of the tensor that is made of the picture here";
  const passed = value <= bound;
  return { metric: "picture to tensor", value, sign: "≤", bound, passed, meaning };
}
