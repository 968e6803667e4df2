// What the figure consists of: by channel, venue, serving office and so on.

import { card, h } from "./dom.js";
import { count } from "./format.js";
import { nameOf } from "./search.js";
import { words } from "./words.js";

const TABS = ["channel", "venue", "service_region", "first_time", "deferral_reason", "deactivation_reason", "card_reason"];

/** Bars, the longest of which is as long as there is room. `rows` are `[name, number, what to show after it]`. */
export function bars(rows) {
  const most = Math.max(1, ...rows.map(([, number]) => Math.abs(number)));
  return h("ul", { class: "bars" }, rows.map(([name, number, shown]) => h("li", null,
    h("span", null, name),
    h("span", { class: "track", "aria-hidden": "true" }, h("i", { class: number < 0 ? "minus" : "", style: { width: `${(Math.abs(number) / most) * 100}%` } })),
    h("b", null, shown ?? count(number)))));
}

export function breakdownCard(width, answer, pressed, choose) {
  const w = words();
  const tab = answer.by;
  const key = (row) => (tab === "service_region" && row.key ? nameOf(row.key) : w.keys[row.key ?? (tab === "venue" ? "noVisit" : "none")] ?? row.key);
  const rows = answer.rows
    .map((row) => ("count" in row ? [key(row), row.count] : [key(row), row.requested, `${count(row.requested)} ${w.requested} · ${count(row.printed)} ${w.printed}`]))
    .filter(([, number]) => number !== 0).sort((a, b) => b[1] - a[1]).slice(0, 12);
  const tabs = h("div", { class: "tabs", role: "group", "aria-label": w.breakdown }, TABS.map((one) => h("button", {
    type: "button", "aria-pressed": String(one === pressed), onclick: () => choose(one),
  }, w.by[one])));
  return card(width, w.breakdown, null, tabs, rows.length ? bars(rows) : h("p", { class: "soft" }, w.nothing));
}
