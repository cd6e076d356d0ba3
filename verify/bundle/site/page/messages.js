// What a watermark detector's outputs say, and what chance would do as well.

/** Outputs to {confidence, logits, bits, hex}. */
export function messageOf(index, outputs) {
  const values = index.outputs.flatMap(({ name }) => Array.from(outputs[name]));
  const logits = values.slice(1);
  const bits = logits.map((logit) => Number(logit > 0));
  return { confidence: values[0], logits, bits, hex: hexOf(bits) };
}

/** Bits four to a digit, the first one highest; zeros fill the last digit. */
export function hexOf(bits) {
  let text = "";
  for (let first = 0; first < bits.length; first += 4) {
    const four = bits.slice(first, first + 4).concat([0, 0, 0]).slice(0, 4);
    text += parseInt(four.join(""), 2).toString(16);
  }
  return text;
}

/** A message in hexadecimal or in 0s and 1s to its bits; null where it is neither. */
export function parseMessage(text, nbits) {
  const plain = text.trim().toLowerCase().replace(/^0x/, "").replace(/[\s_-]/g, "");
  if (plain.length === nbits && /^[01]+$/.test(plain)) return Array.from(plain, Number);
  if (plain.length !== Math.ceil(nbits / 4) || !/^[0-9a-f]+$/.test(plain)) return null;
  const bits = Array.from(plain, (digit) =>
    Array.from(parseInt(digit, 16).toString(2).padStart(4, "0"), Number),
  ).flat();
  return bits.slice(nbits).includes(1) ? null : bits.slice(0, nbits);
}

/** How often chance alone matches so many of `nbits` bits, or more. */
export function chanceOf(nbits, matches) {
  let logOfWays = 0; // of choosing `count` of `nbits`
  let chance = 0;
  for (let count = 0; count <= nbits; count += 1) {
    if (count > 0) logOfWays += Math.log((nbits - count + 1) / count);
    if (count >= matches) chance += Math.exp(logOfWays - nbits * Math.LN2);
  }
  return Math.min(1, chance);
}
