// Reads the watermark of a picture that is chosen, dropped or pasted; it stays on this device.

import { decode } from "./decoding.js";
import { element, figure, milliseconds } from "./elements.js";
import { chanceOf, messageOf, parseMessage } from "./messages.js";
import { tensorOf } from "./preprocessing.js";

const CONFIDENCE =
  "the detector's own logit for a mark, above 0 where it sees one. Not every detector is trained " +
  "to give it.";
const FOUND_BELOW = 1e-6; // as often as that, chance may match so many bits

/** The drop zone and what was read, in the element `place`. */
export function readMessages(place, index, contract, run) {
  const nbits = index.job.nbits;
  let shown = null;
  let address = null;
  const preview = element("img", { id: "preview", alt: "The picture that was read" });
  const result = element("div", { id: "read", "aria-live": "polite" });
  const expected = element("input", {
    id: "expected", autocomplete: "off", spellcheck: "false", input: show,
    placeholder: `${Math.ceil(nbits / 4)} hexadecimal digits or ${nbits} bits`,
  });

  async function read(blob, name) {
    result.replaceChildren(element("p", { class: "about" }, `Reading ${name} …`));
    result.hidden = false;
    try {
      const pixels = await decode(blob);
      const inputs = { [contract.input]: tensorOf(pixels, contract) };
      const before = performance.now();
      const outputs = await run(inputs);
      const took = performance.now() - before;
      shown = { name, pixels, took, message: messageOf(index, outputs) };
      if (address) URL.revokeObjectURL(address);
      address = URL.createObjectURL(blob);
      preview.src = address;
      preview.hidden = false;
      show();
    } catch (error) {
      shown = null;
      preview.hidden = true;
      const words = `${name}: cannot be read (${error.message}).`;
      result.replaceChildren(element("p", { class: "fault" }, words));
    }
  }

  function show() {
    if (!shown) return;
    const { name, pixels, took, message } = shown;
    const wanted = parseMessage(expected.value, nbits);
    const size = `${pixels.width} × ${pixels.height} pixels`;
    result.replaceChildren(
      element("p", { class: "about" }, `${name}, ${size}, read in ${milliseconds(took)}`),
      element("p", { class: "hex", id: "hex" }, message.hex),
      bitStrip(message, wanted),
      comparison(message, wanted, expected.value),
      element("p", { class: "about" }, `Confidence ${figure(message.confidence)}: ${CONFIDENCE}`),
      ...pixels.notes.map((note) => element("p", { class: "about" }, note)),
    );
  }

  const choose = element("input", { type: "file", accept: "image/*", id: "file", class: "hidden" });
  choose.addEventListener("change", () => {
    if (choose.files[0]) read(choose.files[0], choose.files[0].name);
    choose.value = "";
  });
  const zone = element(
    "label", { class: "zone", for: "file", id: "zone" },
    element("strong", {}, "Choose a picture"),
    " or drop one here, or paste it. It does not leave this device.",
  );
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  document.addEventListener("drop", (event) => readFirst(event.dataTransfer));
  document.addEventListener("paste", (event) => readFirst(event.clipboardData));
  function readFirst(transfer) {
    const file = Array.from(transfer.files).find(({ type }) => type.startsWith("image/"));
    if (file) read(file, file.name || "the pasted picture");
  }

  const samples = index.goldens.filter(({ picture }) => picture);
  const gallery = element("div", { class: "gallery" });
  for (const { title, picture, hidden } of samples) {
    const click = async () => {
      expected.value = hidden ?? "";
      await read(await (await fetch(picture)).blob(), title);
      place.scrollIntoView({ block: "nearest" });
    };
    const image = element("img", { src: picture, alt: "", loading: "lazy" });
    gallery.append(element("button", { type: "button", click }, image, title));
  }
  place.append(
    element("h2", {}, "Read a watermark"),
    element("p", { class: "about" }, `The message of ${nbits} bits in a picture of any size.`),
    element(
      "div", { class: "reading" },
      element("div", {}, choose, zone, preview),
      element(
        "div", {},
        element("label", { for: "expected", class: "field" }, "Expected message, if you know it"),
        expected, result,
      ),
    ),
    element("p", { class: "about" }, "Or read one of these:"),
    gallery,
  );
  preview.hidden = true;
  result.hidden = true;
  place.hidden = false;
}

/** Each bit as a cell: filled for 1, pale where it is unsure, red where another was expected. */
function bitStrip({ bits, logits }, wanted) {
  const rms = Math.sqrt(logits.reduce((sum, logit) => sum + logit * logit, 0) / logits.length);
  const label = `Bits: ${bits.join("")}`;
  const strip = element("div", { class: "bits", role: "img", "aria-label": label, id: "bits" });
  bits.forEach((bit, place) => {
    const wrong = wanted !== null && wanted[place] !== bit;
    const unsure = Math.abs(logits[place]) < rms / 4;
    const kind = ["bit", bit ? "one" : "zero", unsure && "unsure", wrong && "wrong"];
    const expected = wrong ? ", expected otherwise" : "";
    const title = `bit ${place}: ${bit}, logit ${figure(logits[place])}${expected}`;
    strip.append(element("span", { class: kind.filter(Boolean).join(" "), title }, String(bit)));
  });
  return strip;
}

/** Whether it is the expected message, and how often chance is as near. */
function comparison({ bits }, wanted, typed) {
  if (!wanted) {
    const wish = `${Math.ceil(bits.length / 4)} hexadecimal digits, or ${bits.length} of 0 and 1`;
    const words = typed.trim() ? `The expected message is ${wish}.` : "";
    return element("p", { class: "about", id: "matches" }, words);
  }
  const same = bits.filter((bit, place) => bit === wanted[place]).length;
  const chance = chanceOf(bits.length, same);
  const found = chance <= FOUND_BELOW;
  return element(
    "p", { class: found ? "matches pass" : "matches fail", id: "matches" },
    element("strong", {}, found ? "Found: " : "Not found: "),
    `${same} of ${bits.length} bits agree; `,
    `by chance so many do in ${figure(chance * 100)}% of pictures.`,
  );
}
