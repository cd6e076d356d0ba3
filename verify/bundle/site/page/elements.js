// Building the page: elements, and numbers as a person reads them.

/** An element with attributes and children; strings become text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The element of that id. */
export const byId = (id) => document.getElementById(id);

/** A number to three digits. */
export function figure(value) {
  if (value === Infinity) return "∞";
  if (value === 0 || (Number.isInteger(value) && Math.abs(value) < 1e4)) return String(value);
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(3));
  return size < 1e-3 || size >= 1e4 ? rounded.toExponential() : String(rounded);
}

/** Bytes as decimal megabytes. */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

/** Milliseconds to three digits. */
export const milliseconds = (value) => `${Number(value.toPrecision(3))} ms`;

/** Lets the page show what it was told, and answer, before work goes on. */
export const pause = () => new Promise((resume) => setTimeout(resume));
