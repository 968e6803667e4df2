// The ranking: every region of a level, by the measure or any other column, with a filter.

import { h, meter, replace } from "./dom.js";
import { count, decimal, percent } from "./format.js";
import { isBehind, nameOfMeasure, shareOf, whyNone } from "./measure.js";
import { nameOf } from "./search.js";
import { address, follow, read } from "./state.js";
import { words } from "./words.js";

/** A table that keeps its order and filter while its figures move. */
export function makeRanking() {
  const body = h("tbody");
  const head = h("thead");
  const filter = h("input", { type: "search", class: "plain", oninput: draw });
  const element = h("div", null);
  const table = h("div", { class: "scroll tall", tabindex: 0, role: "region" }, h("table", { class: "rows" }, head, body));
  let rows = [];
  let paces = new Map();
  let measure = "attainment";
  let order = { column: "share", down: true };
  let drawn = new Map();

  const columns = {
    region: (row) => row.region.name,
    activated: (row) => row.activated,
    share: (row) => { const share = shareOf(measure, row, paces.get(row.region.code)); if (share !== null) return Number(share);
      const goal = measure === "pace" ? paces.get(row.region.code)?.goal : null;
      return goal?.to_go === 0 ? Infinity : goal ? -0.5 : -1; },
    pace: (row) => Number(paces.get(row.region.code)?.windows.at(-1)?.per_day ?? -1),
    needed: (row) => Number(paces.get(row.region.code)?.goal?.required_per_day ?? -1),
  };

  function sortBy(column) {
    order = { column, down: order.column === column ? !order.down : column !== "region" };
    draw();
  }

  function headings() {
    const w = words();
    const names = { region: w.column.region, activated: w.column.activated, share: measure === "pace" ? w.measures.pace : nameOfMeasure(measure), pace: w.column.pace, needed: w.column.needed };
    replace(head, h("tr", null, h("th", { class: "place", scope: "col" }, w.column.place),
      Object.entries(names).map(([column, name]) => h("th", {
        scope: "col", class: column === "region" ? "" : column === "share" ? "sharecolumn" : `number ${column}`,
        "aria-sort": order.column === column ? (order.down ? "descending" : "ascending") : null,
      }, h("button", { type: "button", onclick: () => sortBy(column) }, name)))));
  }

  function draw() {
    headings();
    const text = filter.value.trim().toLowerCase();
    const value = columns[order.column];
    const compare = (a, b) => (typeof value(a) === "string" ? value(a).localeCompare(value(b)) : value(a) - value(b));
    const sorted = [...rows].sort((a, b) => (order.down ? -1 : 1) * compare(a, b) || b.activated - a.activated || a.region.code.localeCompare(b.region.code));
    const places = new Map(sorted.map((row, place) => [row.region.code, place + 1]));
    const now = new Map();
    replace(body, ...sorted.filter((row) => !text || row.region.name.toLowerCase().includes(text)).map((row) => {
      const line = rowOf(row, places.get(row.region.code));
      const before = drawn.get(row.region.code);
      if (before !== undefined && before !== row.activated) line.classList.add("flash");
      now.set(row.region.code, row.activated);
      return line;
    }));
    drawn = new Map([...drawn, ...now]);
  }

  function rowOf(row, place) {
    const state = read();
    const { code } = row.region;
    const pace = paces.get(code);
    const share = shareOf(measure, row, pace);
    const window = pace?.windows.at(-1);
    return h("tr", null,
      h("td", { class: "place" }, place),
      h("th", { scope: "row" }, h("a", { href: address({ ...state, region: code }), onclick: (event) => follow(event, { region: code }) }, nameOf(code)), h("span", { class: "code" }, code)),
      h("td", { class: "number" }, count(row.activated)),
      h("td", { class: "sharecolumn" }, share === null ? h("span", { class: "soft" }, whyNone(measure, pace))
        : [h("div", null, percent(share)), meter(Number(share) / 100, percent(share), measure === "attainment" ? "goal" : "")]),
      h("td", { class: `number pace ${isBehind(pace) ? "behind" : ""}` }, window ? decimal(window.per_day) : "–"),
      h("td", { class: "number needed" }, pace?.goal ? decimal(pace.goal.required_per_day) : "–"));
  }

  /** Takes new figures. */
  function show(newRows, newPaces, newMeasure, label) {
    rows = newRows;
    paces = newPaces;
    measure = newMeasure;
    table.setAttribute("aria-label", label);
    filter.setAttribute("placeholder", words().filter);
    filter.setAttribute("aria-label", words().filter);
    draw();
  }

  element.append(table);
  return { element, filter, show };
}
