// A small curve without axes: where the number comes from.

import { h, s } from "./dom.js";
import { count, shortDay } from "./format.js";
import { words } from "./words.js";

const WIDE = 300;
const HIGH = 64;

export function sparkline(series) {
  const { points } = series;
  if (points.length < 2) return h("div");
  const values = points.map((point) => point.activated);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const x = (place) => (place / (points.length - 1)) * WIDE;
  const y = (value) => HIGH - 4 - ((value - least) / Math.max(1, most - least)) * (HIGH - 10);
  const line = `M${values.map((value, place) => `${x(place).toFixed(1)} ${y(value).toFixed(1)}`).join("L")}`;
  const [first, last] = [points[0], points.at(-1)];
  return h("figure", { class: "spark" },
    s("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": `${words().curve}: ${shortDay(first.to)} ${count(first.activated)} → ${shortDay(last.to)} ${count(last.activated)}` },
      s("path", { class: "under", d: `${line}L${WIDE} ${HIGH}L0 ${HIGH}Z` }), s("path", { class: "over", d: line })),
    h("figcaption", { class: "small soft" }, h("span", null, shortDay(first.to)), h("span", null, shortDay(last.to))));
}
