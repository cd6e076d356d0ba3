// Draws pictures: two seeds, a walk between them, and how strong the noise is.

import { byId, element, milliseconds, pause } from "./elements.js";

const ABOUT =
  "Noise becomes a picture, on this device. The walk goes from the noise of one seed to that of " +
  "another; strength 1 is what the network was trained with.";
const STEPS = 9;
const WALK_SECONDS = 8;

/** A latent of normally distributed numbers, the same for the same seed. */
export function latentOf(seed, length) {
  let state = seed >>> 0;
  const uniform = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  // Box and Muller; 1 - u is never 0.
  return Float32Array.from(
    { length },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** The latent at `part` of the way, along the sphere: a straight walk would pass near zero. */
export function between(one, other, part, strength) {
  const norm = (values) => Math.hypot(...values);
  const product = one.reduce((sum, value, place) => sum + value * other[place], 0);
  const cosine = Math.min(1, Math.max(-1, product / (norm(one) * norm(other))));
  const angle = Math.acos(cosine);
  const share = (p) => (Math.sin(angle) < 1e-6 ? p : Math.sin(p * angle) / Math.sin(angle));
  const [first, second] = [share(1 - part) * strength, share(part) * strength];
  return one.map((value, place) => first * value + second * other[place]);
}

/** Values (height, width, 1 or 3) in the job's span as pixels. */
export function imageData(values, shape, job) {
  const [, height, width, colours] = shape;
  const pixels = new ImageData(width, height);
  for (let place = 0; place < height * width; place += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      const value = values[place * colours + (colours === 3 ? colour : 0)];
      pixels.data[4 * place + colour] =
        ((value - job.lowest) / (job.highest - job.lowest)) * 255; // clamps, and rounds
    }
    pixels.data[4 * place + 3] = 255;
  }
  return pixels;
}

/** The controls and the picture, in the element `place`. */
export async function drawPictures(place, index, run) {
  const [input, output] = [index.inputs[0], index.outputs[0]];
  const [, height, width] = output.shape;
  const state = { from: 1, to: 2, walk: 0, strength: 1 };
  const draw = async (part) => {
    const length = input.shape.reduce((product, side) => product * side, 1);
    const ends = [latentOf(state.from, length), latentOf(state.to, length)];
    const outputs = await run({ [input.name]: between(...ends, part, state.strength) });
    return imageData(outputs[output.name], output.shape, index.job);
  };

  const canvas = element("canvas", { width, height, id: "drawn", role: "img" });
  const took = element("p", { class: "about", id: "took" });
  const strip = element("div", { class: "strip", role: "group", "aria-label": "Along the walk" });
  const tiles = Array.from({ length: STEPS }, (_, step) => {
    const part = step / (STEPS - 1);
    const tile = element("canvas", { width, height });
    const label = `${Math.round(part * 100)}% of the walk`;
    const click = () => set("walk", part);
    strip.append(element("button", { type: "button", "aria-label": label, click }, tile));
    return { part, tile };
  });

  // One picture at a time: while one is computed, only the latest wish is kept.
  let wished = null;
  let busy = false;
  async function refresh(changed) {
    wished = { strip: changed !== "walk" || wished?.strip };
    if (busy) return;
    busy = true;
    while (wished) {
      const now = wished;
      wished = null;
      const before = performance.now();
      canvas.getContext("2d").putImageData(await draw(state.walk), 0, 0);
      const duration = milliseconds(performance.now() - before);
      took.textContent = `${width} × ${height} pixels, drawn in ${duration}`;
      const part = `${Math.round(100 * state.walk)}%`;
      canvas.setAttribute("aria-label", `Seed ${state.from}, ${part} of the way to ${state.to}`);
      for (const { part, tile } of now.strip ? tiles : []) {
        if (wished?.strip) break;
        tile.getContext("2d").putImageData(await draw(part), 0, 0);
        await pause();
      }
      await pause();
    }
    busy = false;
  }
  function set(name, value) {
    state[name] = value;
    const control = byId(`control-${name}`);
    if (control && Number(control.value) !== value) control.value = value;
    return refresh(name);
  }

  let playing = null;
  const play = element("button", { type: "button", click: toggle }, "Play the walk");
  function toggle() {
    if (playing) {
      cancelAnimationFrame(playing);
      playing = null;
    } else {
      const began = performance.now() - (state.walk / 2) * WALK_SECONDS * 1000;
      const step = (now) => {
        const turn = (Math.max(0, now - began) / 1000 / WALK_SECONDS) * 2;
        set("walk", 1 - Math.abs(1 - (turn % 2))); // there and back
        playing = requestAnimationFrame(step);
      };
      playing = requestAnimationFrame(step);
    }
    play.textContent = playing ? "Stop" : "Play the walk";
  }

  const save = () => {
    const link = element("a", { download: `${index.model.name}_${state.from}_${state.to}.png` });
    canvas.toBlob((blob) => {
      link.href = URL.createObjectURL(blob);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  };
  const keep = element("button", { type: "button", click: save }, "Save as PNG");
  const seed = (name, title) => {
    const random = () => set(name, 1 + Math.floor(Math.random() * 99999));
    const label = `Another ${title}`;
    const input = (event) => set(name, Math.trunc(Number(event.target.value)) || 0);
    const attributes = { type: "number", step: 1, value: state[name], input };
    return element(
      "div", { class: "control" },
      element("label", { for: `control-${name}` }, title),
      element("input", { id: `control-${name}`, ...attributes }),
      element("button", { type: "button", click: random, "aria-label": label }, "Another"),
    );
  };
  const slider = (name, title, most, step) => {
    const input = (event) => set(name, Number(event.target.value));
    const attributes = { type: "range", min: 0, max: most, step, value: state[name], input };
    return element(
      "div", { class: "control wide" },
      element("label", { for: `control-${name}` }, title),
      element("input", { id: `control-${name}`, ...attributes }),
    );
  };
  place.append(
    element("h2", {}, "Draw"),
    element("p", { class: "about" }, ABOUT),
    element(
      "div", { class: "drawing" },
      element("div", {}, canvas, took),
      element(
        "div", { class: "controls" },
        seed("from", "From seed"), seed("to", "To seed"),
        slider("walk", "Walk", 1, 0.01), slider("strength", "Strength", 2, 0.05),
        element("div", { class: "buttons" }, play, keep),
      ),
    ),
    strip,
  );
  place.hidden = false;
  await refresh();
}
