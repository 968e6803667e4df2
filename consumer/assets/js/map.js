// The map: outlines of the provinces, and a mark for the seat of each regency and city. Its colour
// is the measure's, its size the number of people; who lags behind has another shape as well, so
// that nothing hangs on colour alone.

import { h, s } from "./dom.js";
import { count, percent } from "./format.js";
import { classNames, classOf, colourOf, nameOfMeasure } from "./measure.js";
import { words } from "./words.js";

/** Units of the drawing in a degree. */
const SCALE = 10;
const WHOLE = { x: 945, y: -68, w: 470, h: 185 };
let outlines = null;

async function loadOutlines() {
  outlines ??= fetch("assets/map/outline.geojson").then((answer) => answer.json());
  return (await outlines).features;
}

const place = (longitude, latitude) => [longitude * SCALE, -latitude * SCALE];

function pathOf(geometry) {
  const polygons = geometry.type === "MultiPolygon" ? geometry.coordinates : [geometry.coordinates];
  const ring = (points) => `M${points.map(([x, y]) => place(x, y).map((n) => n.toFixed(2)).join(" ")).join("L")}Z`;
  return polygons.flat().map(ring).join("");
}

/** A map of the nation, or of a province (`within`). `choose` is called with a region's code. */
export function makeMap({ within = "ID", choose }) {
  const land = s("g");
  const marks = s("g");
  const rings = s("g");
  const svg = s("svg", { role: "group", tabindex: 0, onkeydown: move, onpointerdown: grab, onclick: take }, land, marks, rings);
  const tip = h("div", { class: "tip", hidden: true });
  const legend = h("ul", { class: "legend" });
  const w = words();
  const zoom = h("div", { class: "zoom" },
    h("button", { type: "button", "aria-label": w.zoomIn, onclick: () => scale(1 / 1.6) }, "+"),
    h("button", { type: "button", "aria-label": w.zoomOut, onclick: () => scale(1.6) }, "−"),
    h("button", { type: "button", "aria-label": w.zoomAll, onclick: () => look(home) }, "⤢"));
  const element = h("div", { class: "map" }, svg, zoom, tip, legend);
  let home = WHOLE;
  let box = WHOLE;
  let shown = [];
  let byCode = new Map();
  let chosen = null;
  let dragged = false;

  loadOutlines().then((features) => land.replaceChildren(...features.map((feature) => s("path", {
    class: `land${feature.properties.codes.split(",").includes(within) ? " here" : ""}`, d: pathOf(feature.geometry),
  })))).catch(() => { outlines = null; });

  marks.addEventListener("pointerover", (event) => point(event.target.dataset?.code));
  marks.addEventListener("pointerout", () => point(null));
  svg.addEventListener("blur", () => point(null));

  function look(next) {
    box = next;
    svg.setAttribute("viewBox", `${box.x} ${box.y} ${box.w} ${box.h}`);
    for (const item of shown) shape(item);
    point(null);
  }

  function scale(by) {
    const wide = Math.min(WHOLE.w, Math.max(12, box.w * by));
    const high = wide * (box.h / box.w);
    look({ x: box.x + (box.w - wide) / 2, y: box.y + (box.h - high) / 2, w: wide, h: high });
  }

  function shape(item) {
    const unit = Math.pow(box.w / WHOLE.w, 0.8);
    const r = item.radius * unit;
    const { x, y, element: mark } = item;
    const d = item.down
      ? `M${x - r * 1.1} ${y - r * 0.75}L${x + r * 1.1} ${y - r * 0.75}L${x} ${y + r * 1.15}Z`
      : `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
    mark.setAttribute("d", d);
  }

  function point(code) {
    const item = code && byCode.get(code);
    byCode.get(chosen)?.element.classList.remove("chosen");
    chosen = item ? code : null;
    tip.hidden = !item;
    if (!item) return;
    item.element.classList.add("chosen");
    const rect = element.getBoundingClientRect();
    const seen = new DOMPoint(item.x, item.y).matrixTransform(svg.getScreenCTM());
    const [left, top] = [seen.x - rect.left, seen.y - rect.top];
    tip.style.left = `${Math.min(Math.max(left, 90), rect.width - 90)}px`;
    tip.style.top = `${Math.max(top, 40)}px`;
    tip.replaceChildren(h("b", null, item.name), ...item.lines.map((line) => h("span", null, line, h("br"))));
  }

  /** From the keyboard: arrows go to the nearest mark that way, Enter opens it. */
  function move(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Enter" && chosen) choose(chosen);
    if (event.key === "+") scale(1 / 1.6);
    if (event.key === "-") scale(1.6);
    const way = ways[event.key];
    if (!way || !shown.length) return;
    event.preventDefault();
    const from = byCode.get(chosen) ?? { x: box.x + box.w / 2, y: box.y + box.h / 2 };
    const cost = (item) => {
      const along = (item.x - from.x) * way[0] + (item.y - from.y) * way[1];
      const across = Math.abs((item.x - from.x) * way[1]) + Math.abs((item.y - from.y) * way[0]);
      return along <= 0.01 ? Infinity : along + across * 2;
    };
    const next = shown.reduce((best, item) => (cost(item) < cost(best) ? item : best));
    if (cost(next) < Infinity) {
      point(next.code);
      svg.setAttribute("aria-label", `${next.name}: ${next.lines.join(", ")}`);
    }
  }

  function grab(event) {
    dragged = false;
    if (box.w >= WHOLE.w || event.pointerType === "touch") return;
    const from = { x: event.clientX, y: event.clientY, box };
    const ratio = 1 / svg.getScreenCTM().a;
    const drag = (to) => {
      if (Math.hypot(to.clientX - from.x, to.clientY - from.y) > 4) dragged = true;
      if (dragged) look({ ...from.box, x: from.box.x - (to.clientX - from.x) * ratio, y: from.box.y - (to.clientY - from.y) * ratio });
    };
    addEventListener("pointermove", drag);
    addEventListener("pointerup", () => removeEventListener("pointermove", drag), { once: true });
  }

  function take(event) {
    const code = event.target.dataset?.code;
    if (code && !dragged) choose(code);
  }

  /** Draws the marks: one for each `{code, name, longitude, latitude, activated, share}`. */
  function show(items, measure) {
    const most = Math.max(1, ...items.map((item) => item.activated));
    svg.setAttribute("aria-label", words().mapLabel(nameOfMeasure(measure)));
    const before = byCode;
    byCode = new Map();
    shown = items.map((item) => {
      const [x, y] = place(item.longitude, item.latitude);
      const kind = classOf(measure, item.share);
      const element = before.get(item.code)?.element ?? s("path", { "data-code": item.code });
      const none = kind < 0;
      element.setAttribute("class", `mark${none ? " none" : ""}`);
      element.style.fill = none ? "" : colourOf(measure, kind);
      const radius = item.activated > 0 ? 2.6 + 5.4 * Math.sqrt(item.activated / most) : 1.25;
      const value = none ? item.none ?? words().noValue[measure] : `${nameOfMeasure(measure)}: ${percent(item.share)}`;
      const one = { ...item, x, y, element, radius, down: measure === "pace" && kind >= 0 && kind < 2, lines: [`${count(item.activated)} ${words().active}`, value] };
      byCode.set(item.code, one);
      return one;
    });
    // The small ones last, so that none is hidden behind a large one.
    marks.replaceChildren(...[...shown].sort((a, b) => b.radius - a.radius).map((item) => item.element));
    if (within !== "ID" && home === WHOLE && shown.length) {
      home = around(shown);
      look(home);
    } else shown.forEach(shape);
    legend.replaceChildren(...classNames(measure).map((name, kind) => h("li", null, swatch(measure, kind), name)),
      h("li", null, swatch(measure, -1), words().noValue[measure]), h("li", null, words().size));
  }

  function swatch(measure, kind) {
    const down = measure === "pace" && kind >= 0 && kind < 2;
    const d = down ? "M1 2 15 2 8 15Z" : "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0Z";
    return s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d, class: kind < 0 ? "mark none" : "mark", style: kind < 0 ? {} : { fill: colourOf(measure, kind) } }));
  }

  /** Shows for a moment that a region's figure has changed. */
  function blink(code) {
    const item = byCode.get(code);
    if (!item) return;
    const ring = s("circle", { class: "ring", cx: item.x, cy: item.y, r: item.radius * Math.pow(box.w / WHOLE.w, 0.8), onanimationend: () => ring.remove() });
    rings.append(ring);
    setTimeout(() => ring.remove(), 2_500);
  }

  look(WHOLE);
  return { element, show, blink };
}

/** What holds these marks, with a margin, in the shape of the whole map. */
function around(items) {
  const xs = items.map((item) => item.x);
  const ys = items.map((item) => item.y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const ratio = 0.62;
  const w = Math.max(right - left, (bottom - top) / ratio, 12) * 1.35;
  const h = w * ratio;
  return { x: (left + right) / 2 - w / 2, y: (top + bottom) / 2 - h / 2, w, h };
}
