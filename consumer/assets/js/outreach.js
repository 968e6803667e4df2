// What outreach brought, beside what the office's own counters did on the same days.

import { card, h } from "./dom.js";
import { count, decimal, shortDay } from "./format.js";
import { words } from "./words.js";

const SHOWN = 60;

export function outreachCard(width, answer) {
  const w = words();
  const c = w.visitColumns;
  if (!answer.rows.length) return card(width, w.outreach, null, h("p", { class: "soft" }, w.noVisits));
  const days = (visit) => (visit.first_day === visit.last_day ? shortDay(visit.first_day) : `${shortDay(visit.first_day)} – ${shortDay(visit.last_day)}`);
  const reasons = (visit) => visit.deferral_reasons.map(({ reason, count: n }) => `${w.keys[reason] ?? reason} ${count(n)}`).join(", ");
  const rows = answer.rows.slice(0, SHOWN).map((visit) => h("tr", null,
    h("th", { scope: "row" }, h("a", { href: visit.link }, visit.outreach_id)),
    h("td", null, days(visit)), h("td", null, w.keys[visit.venue ?? "none"] ?? visit.venue),
    h("td", { class: "number", title: visit.kiosks.join(", ") }, count(visit.kiosks.length)), h("td", { class: "number" }, count(visit.hours)),
    h("td", { class: "number" }, count(visit.activations)), h("td", { class: "number", title: reasons(visit) }, count(visit.deferrals)),
    h("td", { class: "number" }, decimal(visit.activations_per_hour)), h("td", { class: "number" }, count(visit.office?.activations))));
  const heads = [[c.visit], [c.day], [c.venue], [c.kiosks, 1], [c.hours, 1], [c.activations, 1], [c.deferrals, 1], [c.rate, 1], [c.office, 1]];
  return card(width, w.outreach, h("span", { class: "small soft" }, w.visitsShown(count(rows.length), count(answer.total))),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w.outreach }, h("table", { class: "rows" },
      h("thead", null, h("tr", null, heads.map(([title, number]) => h("th", { scope: "col", class: number ? "number" : "" }, title)))), h("tbody", null, rows))));
}
