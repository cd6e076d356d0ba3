// Pixels of a picture to the values that the model takes, as preprocessing.json asks.

// As floats of 32 bits, which is what the network was trained and judged with.
const fractions = (divisor) => Float32Array.from({ length: 256 }, (_, byte) => byte / divisor);

/** RGBA pixels {width, height, data} to a Float32Array in the contract's size and layout. */
export function tensorOf(pixels, contract) {
  const { width, height } = contract.resize;
  const narrow = resizeColumns(pixels, width, fractions(contract.divide_by));
  return resizeRows(narrow, pixels.height, width, height, contract.layout);
}

/**
 * For each of `after` new pixels along one axis, which of the `before` old ones it averages:
 * {first, weights}. A triangle as wide as two old pixels, or two new ones where those are larger.
 */
export function weightsOf(before, after) {
  const scale = before / after;
  const reach = Math.max(scale, 1);
  return Array.from({ length: after }, (_, place) => {
    const centre = scale * (place + 0.5);
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach + 0.5), before);
    const weights = [];
    for (let old = first; old < end; old += 1) {
      weights.push(Math.max(0, 1 - Math.abs((old + 0.5 - centre) / reach)));
    }
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** RGBA bytes to RGB floats (height, width', 3), alpha dropped. */
function resizeColumns({ width, height, data }, wanted, values) {
  const taps = weightsOf(width, wanted);
  const result = new Float32Array(height * wanted * 3);
  for (let row = 0, target = 0; row < height; row += 1) {
    for (const { first, weights } of taps) {
      let red = 0;
      let green = 0;
      let blue = 0;
      let source = (row * width + first) * 4;
      for (const weight of weights) {
        red += weight * values[data[source]];
        green += weight * values[data[source + 1]];
        blue += weight * values[data[source + 2]];
        source += 4;
      }
      result[target] = red;
      result[target + 1] = green;
      result[target + 2] = blue;
      target += 3;
    }
  }
  return result;
}

/** RGB floats (before, width, 3) to `after` rows, in the layout that the model takes. */
function resizeRows(values, before, width, after, layout) {
  const result = new Float32Array(after * width * 3);
  const [pixelStep, colourStep] = layout === "nhwc" ? [3, 1] : [1, after * width];
  weightsOf(before, after).forEach(({ first, weights }, row) => {
    for (let column = 0; column < width; column += 1) {
      for (let colour = 0; colour < 3; colour += 1) {
        let sum = 0;
        let source = (first * width + column) * 3 + colour;
        for (const weight of weights) {
          sum += weight * values[source];
          source += width * 3;
        }
        result[(row * width + column) * pixelStep + colour * colourStep] = sum;
      }
    }
  });
  return result;
}
