// What was found, on the page: the verdict, a row for each golden, and how fast it ran.

import { byId, element, figure, milliseconds } from "./elements.js";
import { imageData } from "./generator.js";
import { messageOf } from "./messages.js";

const HEX_SHOWN = 24;
const INTEGRITY = new Map([
  [true, "the one that was bundled, by its SHA-256"],
  [false, "NOT the one that was bundled: its SHA-256 differs"],
  [null, "not checked by SHA-256: that needs https"],
]);

/** What goes on, or what it came to. */
export function say(sentence) {
  byId("lead").textContent = sentence;
}

/** The verdict in a word, also as the page's title. */
export function conclude(passed, title) {
  const word = passed ? "PASS" : "FAIL";
  byId("verdict").textContent = word;
  byId("verdict").className = word.toLowerCase();
  document.title = `${word}: ${title}`;
}

/** The verdict on all goldens and on the file; `bundled` is null where that cannot be told. */
export function showVerdict(index, { results, passed, bundled, took }) {
  const right = results.filter((result) => result.passed).length;
  conclude(passed && bundled !== false, index.model.file);
  const by =
    index.expected.by === "pytorch"
      ? "PyTorch computed"
      : "LiteRT computed where the bundle was made";
  const goldens = `${right} of ${results.length} golden inputs`;
  const other = bundled === false ? "The model file is not the one that was bundled. " : "";
  const rest = right === results.length && !passed ? " All together they miss one." : "";
  say(`${other}${goldens} give here what ${by}, within the limits.${rest}`);
  byId("integrity").textContent = INTEGRITY.get(bundled);
  byId("took-to-verdict").textContent = milliseconds(Math.round(took));
}

/** One row of the table of goldens. */
export function showGolden(index, { golden, outputs, checks, passed }) {
  const words = golden.preview ? "expected, and drawn here" : "";
  const name = element(
    "th", { scope: "row" },
    mark(passed), ` ${golden.title}`, element("span", { class: "words" }, words),
  );
  byId("goldens-rows").append(
    element(
      "tr", { class: passed ? "" : "failed" },
      name, element("td", {}, ...seen(index, golden, outputs)), element("td", {}, listed(checks)),
    ),
  );
}

/** The last row: what is held for all goldens together. */
export function showTogether(checks) {
  if (!checks.length) return;
  const passed = checks.every((check) => check.passed);
  const name = element("th", { scope: "row" }, mark(passed), " all together");
  const cells = [name, element("td"), element("td", {}, listed(checks))];
  byId("goldens-rows").append(element("tr", { class: passed ? "" : "failed" }, ...cells));
}

function listed(checks) {
  const list = element("dl", { class: "checks" });
  for (const { metric, value, sign, bound, passed, meaning } of checks) {
    const limit = element("span", {}, bound === undefined ? "" : `${sign} ${figure(bound)}`);
    list.append(
      element("dt", { title: meaning }, metric.replaceAll("_", " ")),
      element("dd", { class: passed === false ? "fail" : "" }, `${figure(value)} `, limit),
    );
  }
  return list;
}

/** The picture that went in or was to come out, the one that came, and the message. */
function seen(index, golden, outputs) {
  const pictures = element("div", { class: "pair" });
  if (golden.picture ?? golden.preview) {
    pictures.append(element("img", { src: golden.picture ?? golden.preview, alt: "" }));
  }
  if (golden.preview) {
    const { name, shape } = index.outputs[0];
    const canvas = element("canvas", { width: shape[2], height: shape[1] });
    canvas.getContext("2d").putImageData(imageData(outputs[name], shape, index.job), 0, 0);
    pictures.append(canvas);
  }
  if (index.job?.does !== "read-messages") return [pictures];
  const { hex } = messageOf(index, outputs);
  const shown = hex.length > HEX_SHOWN ? `${hex.slice(0, HEX_SHOWN)}…` : hex;
  return [pictures, element("code", { class: "words" }, shown)];
}

/** One row of the table of speeds: how fast it ran, or why it did not. */
export function showSpeed(name, { speed = null, passed = null, reason = "" }) {
  const [title, by] = name === "wasm" ? ["processor", "wasm"] : ["graphics card", "WebGPU"];
  const heading = element(
    "th", { scope: "row" },
    title, element("span", { class: "words" }, by),
  );
  const row = element("tr", { id: `speed-${name}` }, heading);
  const words = (text) => element("span", { class: "words" }, text);
  if (speed) {
    row.append(element("td", {}, mark(passed), words(reason)));
    for (const cell of [milliseconds(speed.p50), milliseconds(speed.p90), String(speed.runs)]) {
      row.append(element("td", { class: "number" }, cell));
    }
  } else {
    row.append(element("td", { colspan: 4 }, words(`not run: ${reason}`)));
  }
  byId("speed-rows").append(row);
}

function mark(passed) {
  return element("span", { class: passed ? "mark pass" : "mark fail" }, passed ? "pass" : "FAIL");
}
