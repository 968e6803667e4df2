// What may be missing, kiosk by kiosk.

import { card, h } from "./dom.js";
import { count, moment } from "./format.js";
import { words } from "./words.js";

export function completenessCard(width, answer, progress) {
  const w = words();
  const total = answer.total ?? answer.rows.length;
  const open = answer.rows.filter((row) => row.missing > 0 || row.silent || row.status?.unsent > 0);
  const lacking = answer.rows.filter((row) => row.missing > 0).length;
  const { missing } = progress;
  const chips = missing ? [
    [missing.events, w.missingEvents], [missing.quarantined, w.quarantined], [missing.silent_kiosks.length, w.silent],
  ].map(([number, name]) => h("span", { class: `chip${number > 0 ? " bad" : ""}` }, `${count(number)} ${name}`)) : [];
  const heading = total === 0 ? w.noKiosks : lacking === 0 ? w.completeAll(count(total)) : w.completeSome(count(lacking), count(total));
  const gaps = (row) => row.gaps.slice(0, 4).map(([from, to]) => (from === to ? from : `${from}–${to}`)).join(", ") + (row.gaps.length > 4 ? " …" : "");
  const rows = open.map((row) => h("tr", null,
    h("th", { scope: "row" }, row.kiosk_id),
    h("td", null, [row.missing > 0 ? `${count(row.missing)} ${w.missingEvents} (${w.gap} ${gaps(row)})` : null, row.silent ? w.silent : null, row.status?.unsent > 0 ? `${count(row.status.unsent)} ${w.unsentAt}` : null].filter(Boolean).join(" · ")),
    h("td", null, moment(row.last_heard))));
  return card(width, w.complete, null, h("p", null, heading), h("div", { class: "chips" }, chips),
    rows.length ? h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w.complete }, h("table", { class: "rows" },
      h("thead", null, h("tr", null, [w.kiosk, w.missingEvents, w.lastHeard].map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", null, rows))) : null);
}
