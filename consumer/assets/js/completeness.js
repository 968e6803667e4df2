// What may be missing now, kiosk by kiosk.

import { card, h } from "./dom.js";
import { count, moment } from "./format.js";
import { words } from "./words.js";

/** `kiosks` are how many there are, those of which events are missing, and those that are silent. */
export function completenessCard(width, kiosks, progress, state) {
  const w = words();
  const { total, missing, silent } = kiosks;
  const chips = [
    [progress.missing?.events ?? 0, w.missingEvents], [progress.missing?.quarantined ?? 0, w.quarantined], [silent.total, w.silent],
  ].map(([number, name]) => h("span", { class: `chip${number > 0 ? " bad" : ""}` }, `${count(number)} ${name}`));
  const heading = total === 0 ? w.noKiosks : missing.total > 0 ? w.completeSome(count(missing.total), count(total)) : silent.total > 0 ? w.completeButSilent(count(silent.total), count(total)) : w.completeAll(count(total));
  const open = [...new Map([...missing.rows, ...silent.rows].map((row) => [row.kiosk_id, row])).values()];
  const gaps = (row) => row.gaps.slice(0, 4).map(([from, to]) => (from === to ? from : `${from}–${to}`)).join(", ") + (row.gaps.length > 4 ? " …" : "");
  const rows = open.map((row) => h("tr", null,
    h("th", { scope: "row" }, row.kiosk_id),
    h("td", null, [row.missing > 0 ? `${count(row.missing)} ${w.missingEvents} (${w.gap} ${gaps(row)})` : null, row.silent ? w.silent : null, row.status?.unsent > 0 ? `${count(row.status.unsent)} ${w.unsentAt}` : null].filter(Boolean).join(" · ")),
    h("td", null, moment(row.last_heard))));
  return card(width, w.complete, state.as_of ? h("span", { class: "small soft" }, w.asItIsNow) : null, h("p", null, heading), h("div", { class: "chips" }, chips),
    rows.length ? h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w.complete }, h("table", { class: "rows" },
      h("thead", null, h("tr", null, [w.kiosk, w.missingEvents, w.lastHeard].map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", null, rows))) : null);
}
