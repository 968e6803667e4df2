// A figure once quoted: what was said, what the same question answers today, and why the two differ.

import { ask } from "../api.js";
import { card, h } from "../dom.js";
import { count, moment, signed } from "../format.js";
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
    const { figure, now, difference, without_now: withoutNow } = await ask(`figures/${encodeURIComponent(state.figure)}`, {}, signal);
    const region = figure.region.code;
    const parts = difference?.parts ?? [];
    const moved = difference ? difference.activated : 0;
    content.replaceChildren(
      h("nav", null, h("ol", { class: "trail" }, h("li", null, h("a", { href: address({ region, as_of: null, known_at: null }), onclick: (event) => follow(event, { region, figure: null }) }, nameOf(region))), h("li", { "aria-current": "page" }, w.figure))),
      h("div", { class: "grid" },
        card("w12 quote", `${w.figure}, ${w.figureFixed(moment(figure.quoted_at))}`, null,
          h("blockquote", { id: "sentence" }, sentence(figure)), figure.note ? h("p", { class: "note" }, figure.note) : null),
        card("w4", w.figureThen, null, standing(figure)),
        card("w4", w.figureNow, null, now ? standing(now) : h("p", { class: "soft" }, withoutNow ?? w.failed)),
        card("w4", w.change, null,
          h("p", null, !difference ? withoutNow ?? w.failed : moved !== 0 ? w.figureDiffers(signed(moved)) : isSame(difference) ? w.figureSame : w.countSame),
          parts.length ? bars(parts.map((part) => [partName(part), part.amount, signed(part.amount)])) : null,
          difference && !difference.same_rules ? h("p", { class: "note" }, w.otherRules) : null,
          difference?.late_arrivals ? h("p", { class: "note" }, w.lateAmong(count(difference.late_arrivals))) : null,
          changedReferences(difference)),
        card("w12", w.evidence, null,
          h("dl", { class: "pairs wide" },
            pair(w.digest, figure.digest), pair("ID", figure.figure_id),
            pair(w.rules, figure.evidence.fold_version), pair(w.cluster, figure.evidence.cluster_id),
            pair(w.figureVerify, `laju verify --figure ${figure.figure_id}`)))));
  };
  return view;
}

/** What a part of the difference is, and of which age or for which reason. */
function partName({ kind, reason, age }) {
  const w = words();
  return [w.parts[kind] ?? kind, reason && (w.keys[reason] ?? reason), age && w.ageOf(age.from_days, age.to_days)].filter(Boolean).join(", ");
}

function isSame({ same_rules: sameRules, denominators, target }) {
  return sameRules && !target?.changed && denominators.every((one) => !one.changed);
}

/** Denominators and target that are others now. */
function changedReferences(difference) {
  const w = words();
  if (!difference) return null;
  const value = (one) => (one ? count(one.value ?? one.people) : "–");
  const changed = difference.denominators.filter((one) => one.changed).map((one) => [w.bases[one.basis], one]);
  if (difference.target?.changed) changed.push([w.target, difference.target]);
  return changed.map(([name, { then, now }]) => h("p", { class: "note" }, `${name}: ${value(then)} → ${value(now)}`));
}

function pair(name, value) {
  return h("div", null, h("dt", null, name), h("dd", null, h("code", null, value)));
}
