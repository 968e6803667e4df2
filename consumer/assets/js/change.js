// Why the figure is not what it was a week ago, part by part, each with the postings behind it.

import { followLink } from "./api.js";
import { card, choice, h, openDialog } from "./dom.js";
import { count, decimal, shortDay, signed } from "./format.js";
import { nameOf } from "./search.js";
import { words } from "./words.js";

const SHOWN = 200;

export function changeCard(width, change, mode, choose) {
  const w = words();
  const name = (part) => [w.parts[part.part] ?? part.part, part.reason && (w.keys[part.reason] ?? part.reason), part.age && w.ageOf(part.age.from_days, part.age.to_days)].filter(Boolean).join(", ");
  const most = Math.max(1, ...change.parts.map((part) => Math.abs(part.count)));
  const list = h("ul", { class: "bars" }, change.parts.map((part) => h("li", null,
    h("span", null, name(part)),
    h("span", { class: "track", "aria-hidden": "true" }, h("i", { class: part.count < 0 ? "minus" : "", style: { width: `${(Math.abs(part.count) / most) * 100}%` } })),
    part.link ? h("button", { type: "button", "aria-label": `${signed(part.count)}: ${w.followPostings(name(part))}`, onclick: () => postings(part, name(part)) }, signed(part.count)) : h("b", null, signed(part.count)))));
  const shares = [...change.coverage.map((share) => [w.measures.coverage, share]), [w.measures.attainment, change.attainment]]
    .filter(([, share]) => share && share.by_people !== null);
  return card(width, w.change, choice(w.change, Object.entries(w.changeModes), mode, choose),
    h("p", null, h("b", { class: "sum" }, signed(change.change)), " ", h("span", { class: "soft small" }, w.changeSpan(shortDay(change.from), shortDay(change.to)))),
    change.parts.length ? list : h("p", { class: "soft" }, w.nothing),
    shares.map(([measure, share]) => h("p", { class: "note" }, `${measure}: ${w.shareMoved(decimal(share.by_people), decimal(share.by_reference))}`)));
}

async function postings(part, name) {
  const w = words();
  const place = h("div", null, h("p", { class: "soft" }, w.loading));
  openDialog(`${w.postings}: ${name}`, w.close, place);
  try {
    const answer = await followLink(part.link, { limit: SHOWN });
    const details = (row) => [row.channel, row.venue, row.reason].filter(Boolean).map((key) => w.keys[key] ?? key)
      .concat(row.outreach_id ?? [], row.other_region ? nameOf(row.other_region) : []).join(" · ");
    const c = w.postingColumns;
    place.replaceChildren(
      h("p", { class: "small soft" }, w.shown(count(answer.rows.length), count(answer.rows_total))),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w.postings }, h("table", { class: "rows" },
        h("thead", null, h("tr", null, [c.recorded, c.day, c.service, c.what].map((title) => h("th", { scope: "col" }, title)), h("th", { scope: "col", class: "number" }, c.amount))),
        h("tbody", null, answer.rows.map((row) => h("tr", null,
          h("td", null, shortDay(row.recorded)), h("td", null, shortDay(row.day)), h("td", null, row.service_region ? nameOf(row.service_region) : "–"), h("td", null, details(row)), h("td", { class: "number" }, signed(row.amount))))))));
  } catch (error) { place.replaceChildren(h("p", null, error.message)); }
}
