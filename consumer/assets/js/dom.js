// Makes elements. Text is always text: nothing that comes from outside is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes (`on…` are listeners, `null` and `false` are left out). */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** An SVG element, likewise. */
export function s(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, is] of Object.entries(value)) element.style.setProperty(name, is);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A card with a heading. */
export function card(width, heading, aside, ...children) {
  const id = `h-${++cards}`;
  return h("section", { class: `card ${width}`, "aria-labelledby": id },
    h("header", null, h("h2", { id }, heading), aside ? h("div", { class: "pull" }, aside) : null),
    ...children);
}
let cards = 0;

/** A bar as long as a share of the whole; `part` from 0 to 1, and what it says to those who do not see it. */
export function meter(part, label, kind = "") {
  const width = `${Math.max(0, Math.min(1, part)) * 100}%`;
  return h("div", { class: `meter ${kind}`, role: "img", "aria-label": label }, h("i", { style: { width } }));
}

/** A group of buttons of which one is pressed. */
export function choice(label, options, chosen, choose) {
  return h("div", { class: "switch", role: "group", "aria-label": label },
    options.map(([value, text, title]) => h("button", {
      type: "button", "aria-pressed": String(value === chosen), title, onclick: () => choose(value),
    }, text)));
}

/** Says something to those who listen and do not look. */
export function say(text) {
  document.getElementById("say").textContent = text;
}

/** Says a figure that moves, but not so often that nobody can listen to anything else. */
export function sayNow(text) {
  if (Date.now() - said < 30_000) return;
  said = Date.now();
  say(text);
}
let said = 0;

/** A dialog with a heading, opened; it goes when it is closed. */
export function openDialog(heading, closeWord, ...children) {
  const close = h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, closeWord);
  const dialog = h("dialog", { "aria-label": heading, onclose: () => dialog.remove() },
    h("header", null, h("h2", null, heading), close), ...children);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

const REACHED = "a[href], button, input, select, summary, [tabindex]";
const SCROLLED = ".scroll, .laggards";

/** Puts new children into an element; whoever was in the middle of it stays where they were. */
export function replace(root, ...children) {
  const place = root.contains(document.activeElement) ? [...root.querySelectorAll(REACHED)].indexOf(document.activeElement) : -1;
  const offsets = [...root.querySelectorAll(SCROLLED)].map((one) => one.scrollTop);
  root.replaceChildren(...children.flat(Infinity).filter(Boolean));
  [...root.querySelectorAll(SCROLLED)].forEach((one, at) => { one.scrollTop = offsets[at] ?? 0; });
  if (place >= 0) root.querySelectorAll(REACHED)[place]?.focus({ preventScroll: true });
}
