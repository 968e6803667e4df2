// Who serves whom, and who moved.

import { card, h } from "./dom.js";
import { count } from "./format.js";
import { bars } from "./breakdown.js";
import { nameOf } from "./search.js";
import { words } from "./words.js";

export function flowsCard(width, flows) {
  const w = words();
  const list = (rows) => bars(rows.slice(0, 4).map((row) => [nameOf(row.region.code), row.count]));
  return card(width, w.flows, null,
    bars([[w.servedHere, flows.own_served_here], [w.servedElsewhere, flows.own_served_elsewhere], [w.guests, flows.guests_served]]),
    flows.guests_from.length ? [h("h3", { class: "sub" }, w.guests), list(flows.guests_from), h("p", { class: "note" }, w.guestsNote)] : null,
    flows.served_by.length ? [h("h3", { class: "sub" }, w.servedElsewhere), list(flows.served_by)] : null,
    h("p", { class: "note" }, `${w.movedIn}: ${count(flows.moved_in)} · ${w.movedOut}: ${count(flows.moved_out)}`));
}
