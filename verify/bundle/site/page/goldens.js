// The golden inputs of this folder, and how far outputs are from those that are expected.

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const sumOf = (values, of) => values.reduce((sum, value) => sum + of(value), 0);
const square = (value) => value * value;
const apart = (expected, found) =>
  Float64Array.from(expected, (value, place) => value - found[place]);

// As run_goldens.py has them: the outputs of one golden side by side, and scales of them all.
const METRICS = {
  max_abs_difference: (expected, found) => largest(apart(expected, found)),
  mean_abs_difference: (expected, found) =>
    sumOf(apart(expected, found), Math.abs) / expected.length,
  worst_psnr_db: (expected, found, { span }) =>
    10 * Math.log10(square(span) / (sumOf(apart(expected, found), square) / expected.length)),
  max_difference_of_largest: (expected, found, scales) =>
    largest(apart(expected, found)) / scales.largest,
  relative_l2: (expected, found, scales) =>
    Math.sqrt(sumOf(apart(expected, found), square)) / scales.norm,
  // The first value says whether there is a message, the others are its bits.
  surest_bit_flipped: (expected, found, scales) => {
    const [wanted, said] = [expected.slice(1), found.slice(1)];
    if (said.some(Number.isNaN)) return NaN;
    const flipped = wanted.filter((logit, bit) => logit > 0 !== said[bit] > 0);
    return largest(flipped) / scales.bits_rms;
  },
};
// Held for all goldens together, from what each has.
const OVER_ALL = {
  mean_abs_difference: (each) => sumOf(each, (value) => value) / each.length,
  relative_l2: (each) => Math.sqrt(sumOf(each, square) / each.length),
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

/** One {metric, value, sign, bound, passed, meaning} for each limit of the index.
 *
 * `passed` is null, and there is no bound, where the limit is of all goldens together.
 */
export function compare(index, expected, found) {
  const joined = (outputs) =>
    Float64Array.from(index.outputs.flatMap(({ name }) => Array.from(outputs[name])));
  const [wanted, got] = [joined(expected), joined(found)];
  return index.limits.map((limit) => {
    const value = METRICS[limit.metric](wanted, got, index.scales);
    const { metric, meaning } = limit;
    return metric in OVER_ALL ? { metric, value, passed: null, meaning } : held(limit, value);
  });
}

/** The limits of all goldens together, likewise, from the comparisons of each. */
export function compareAll(index, comparisons) {
  return index.limits
    .filter(({ metric }) => metric in OVER_ALL)
    .map((limit) => {
      const of = comparisons.filter(({ metric }) => metric === limit.metric);
      return held(limit, OVER_ALL[limit.metric](of.map(({ value }) => value)));
    });
}

function held({ metric, bound, sense, meaning }, value) {
  const least = sense === "at_least";
  const passed = least ? value >= bound : value <= bound;
  return { metric, value, sign: least ? "≥" : "≤", bound, passed, meaning };
}

/** The tensor made of a picture against the golden one, likewise. */
export function compareTensor(golden, made, contract) {
  const bound = contract.tensor_tolerance.max_abs_difference;
  const value = METRICS.max_abs_difference(golden, made);
  const meaning = "largest difference of the tensor that is made of the picture here";
  const passed = value <= bound;
  return { metric: "picture to tensor", value, sign: "≤", bound, passed, meaning };
}
