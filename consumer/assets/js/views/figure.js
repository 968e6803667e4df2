// A figure once quoted: what was said, what the same question answers today, and why the two differ.

import { ask } from "../api.js";
import { card, h } from "../dom.js";
import { count, day, moment, signed } from "../format.js";
import { bars } from "../breakdown.js";
import { nameOf } from "../search.js";
import { sentence } from "../sentence.js";
import { standing } from "../standing.js";
import { address, follow } from "../state.js";
import { words } from "../words.js";

export function figureView({ content }) {
  const w = words();
  const view = { today: null, title: () => w.figure };
  view.show = async (state, signal) => {
    const { figure, now, difference } = await ask(`figures/${encodeURIComponent(state.figure)}`, {}, signal);
    const region = figure.region.code;
    const parts = difference?.parts ?? [];
    const moved = difference ? difference.activated : 0;
    content.replaceChildren(
      h("nav", null, h("ol", { class: "trail" }, h("li", null, h("a", { href: address({ region, as_of: null, known_at: null }), onclick: (event) => follow(event, { region, figure: null }) }, nameOf(region))), h("li", { "aria-current": "page" }, w.figure))),
      h("div", { class: "grid" },
        card("w12 quote", `${w.figure}, ${w.figureFixed(moment(figure.quoted_at))}`, null,
          h("blockquote", { id: "sentence" }, sentence(figure)), figure.note ? h("p", { class: "note" }, figure.note) : null),
        card("w4", w.figureThen, null, standing(figure)),
        card("w4", w.figureNow, null, now ? standing(now) : h("p", { class: "soft" }, w.failed)),
        card("w4", w.change, null,
          h("p", null, moved === 0 ? w.figureSame : w.figureDiffers(signed(moved))),
          parts.length ? bars(parts.map((part) => [[w.parts[part.kind ?? part.part] ?? part.kind ?? part.part, part.reason && (w.keys[part.reason] ?? part.reason)].filter(Boolean).join(", "), part.amount ?? part.count, signed(part.amount ?? part.count)])) : null),
        card("w12", w.evidence, null,
          h("dl", { class: "pairs wide" },
            pair(w.digest, figure.digest), pair("ID", figure.figure_id),
            pair(w.rules, figure.evidence?.fold_version ?? figure.fold_version), pair(w.cluster, figure.evidence?.cluster_id ?? figure.cluster_id),
            pair(w.figureVerify, `laju verify --figure ${figure.figure_id}`)))));
  };
  return view;
}

function pair(name, value) {
  return h("div", null, h("dt", null, name), h("dd", null, h("code", null, value)));
}
