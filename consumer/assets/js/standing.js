// How far a region is: the number, its shares with what they are shares of, and what may be missing.

import { h, meter } from "./dom.js";
import { count, day, decimal, percent, shortDay } from "./format.js";
import { nameOf } from "./search.js";
import { words } from "./words.js";

let before = { code: null, number: null };

/** The number and its shares. */
export function standing(figures, id = null) {
  const w = words();
  const { code } = figures.region;
  const moved = before.code === code && before.number !== figures.activated;
  before = { code, number: figures.activated };
  const claim = code === "ID" ? w.activeNation : w.activeIn(nameOf(code));
  const { bounds } = figures;
  const open = bounds && (bounds.lower !== figures.activated || bounds.upper !== figures.activated);
  return [h("div", { class: "stand" },
    h("p", { class: `big${moved ? " flash" : ""}`, id }, count(figures.activated)),
    h("p", null, h("b", null, claim), " ", w.asOf(day(figures.as_of)), figures.known_at ? `, ${w.knownAt(day(figures.known_at))}` : ""),
    h("p", { class: "small soft" }, !bounds ? w.noBounds : open ? w.between(count(bounds.lower), count(bounds.upper)) : figures.missing?.silent_kiosks.length ? w.exactButSilent(count(figures.missing.silent_kiosks.length)) : w.exact),
    h("div", { class: "shares" }, shares(figures)))];
}

function shares(figures) {
  const w = words();
  const list = figures.denominators.map((denominator) => share(
    `${w.measures.coverage}: ${count(denominator.value)} ${w.bases[denominator.basis]}`, denominator.coverage_percent, "",
    `${w.source}: ${denominator.source} · ${w.since(shortDay(denominator.valid_from))}`));
  if (!list.length) list.push(h("p", { class: "small soft" }, w.noDenominator));
  const { target } = figures;
  if (!target) return [...list, h("p", { class: "small soft" }, w.noTarget)];
  const is = target.percent === null ? "" : ` (${w.targetIs.percent(percent(target.percent), w.bases[target.basis])})`;
  const details = [`${w.source}: ${target.source}`, target.inherited_from && w.inherited(nameOf(target.inherited_from)), target.valid_to && w.until(shortDay(target.valid_to))];
  return [...list, share(`${w.measures.attainment}: ${count(target.people)} ${w.people}${is}`, target.attainment_percent, "goal", details.filter(Boolean).join(" · "))];
}

function share(name, value, kind, details) {
  return h("div", { class: "share" },
    h("div", { class: "top" }, h("span", null, name), h("span", { class: "percent" }, percent(value))),
    meter(Number(value ?? 0) / 100, percent(value), kind),
    h("span", { class: "small soft" }, details));
}

/** The small figures beside it. */
export function factsOf(figures, pace) {
  const w = words();
  const window = (days) => pace?.windows.find((one) => one.days === days);
  const facts = [
    [`${w.pace}, ${w.window(7)}`, window(7) ? [decimal(window(7).per_day), w.perDay] : ["–", ""]],
    [`${w.pace}, ${w.window(28)}`, window(28) ? [decimal(window(28).per_day), w.perDay] : ["–", ""]],
    pace?.goal?.required_per_month ? [w.neededMonth, [decimal(pace.goal.required_per_month), ""]] : null,
    [w.deferrals, [count(figures.deferrals), ""]],
    [w.queue, [count(figures.cards.queue), ""]],
    [w.recorded, [count(figures.cards.recorded), `${count(figures.cards.recorded_first_time)} ${w.firstCards}`]],
  ];
  return h("dl", { class: "facts" }, facts.filter(Boolean).map(([name, [value, unit]]) => h("div", null, h("dt", null, name), h("dd", null, value, " ", h("small", null, unit)))));
}
