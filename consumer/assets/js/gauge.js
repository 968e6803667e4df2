// The pace gauge: how fast a region goes, against how fast its target requires it to.

import { card, h, s } from "./dom.js";
import { count, day, decimal, percent } from "./format.js";
import { words } from "./words.js";

const point = (turn, radius) => [130 - Math.cos(turn * Math.PI) * radius, 120 - Math.sin(turn * Math.PI) * radius];
const arc = (from, to, radius) => {
  const [x, y] = point(from, radius);
  const [u, v] = point(to, radius);
  return `M${x} ${y}A${radius} ${radius} 0 0 1 ${u} ${v}`;
};

/** The card. */
export function paceCard(width, pace) {
  const w = words();
  const window = pace.windows.find((one) => one.days === 28) ?? pace.windows.at(-1);
  const week = pace.windows.find((one) => one.days === 7);
  const { goal } = pace;
  const is = goal === null ? "none" : goal.to_go === 0 ? "met" : window.is_enough ? "enough" : "behind";
  const needed = Number(goal?.required_per_day ?? 0);
  const speed = Math.max(0, Number(window.per_day ?? 0));
  const full = Math.max(needed * 1.6, speed * 1.15, 1);
  const tint = { none: "var(--accent)", met: "var(--accent)", enough: "var(--ahead)", behind: "var(--behind)" }[is];
  const [tx, ty] = point(needed / full, 74);
  const [ux, uy] = point(needed / full, 106);
  const label = `${w.pace}: ${decimal(window.per_day)} ${w.perDay}. ${goal?.required_per_day ? w.needed(decimal(goal.required_per_day), day(goal.by)) : ""} ${w.paceVerdict[is]}`;
  const face = s("svg", { viewBox: "20 8 220 122", role: "img", "aria-label": label },
    s("path", { class: "arc", d: arc(0, 1, 90), style: { stroke: "var(--sunk)" } }),
    speed > 0 ? s("path", { class: "arc", d: arc(0, Math.min(1, speed / full), 90), style: { stroke: tint } }) : null,
    needed > 0 ? s("line", { x1: tx, y1: ty, x2: ux, y2: uy, style: { stroke: "var(--goal)", "stroke-width": "4" } }) : null,
    s("text", { x: 130, y: 106, "font-size": 34 }, decimal(window.per_day)),
    s("text", { x: 130, y: 122, class: "unit" }, `${w.perDay}, ${w.window(window.days)}`));
  const sign = { none: "", met: "✓ ", enough: "▲ ", behind: "▼ " }[is];
  // On the day itself there is nothing to foretell.
  const forecast = window.forecast && window.forecast.on > pace.as_of ? window.forecast : null;
  const why = window.no_forecast ?? null;
  const rows = [
    goal?.required_per_day ? [w.needed(decimal(goal.required_per_day), day(goal.by)), ""] : null,
    goal?.required_per_month ? [w.neededMonth, decimal(goal.required_per_month)] : null,
    week ? [w.window(7), `${decimal(week.per_day)} ${w.perDay}`] : null,
    forecast ? [w.forecastOn(day(forecast.on)), `${count(forecast.activated)}${forecast.attainment_percent ? ` (${percent(forecast.attainment_percent)})` : ""}`] : null,
    ...(forecast?.intervals ?? []).map((one) => ["", w.interval(one.percent, count(one.lower), count(one.upper))]),
    window.target_met_on ? [w.metOn, day(window.target_met_on)] : null,
    why ? [w.reasons[why.reason] ?? why.detail, ""] : null,
  ].filter(Boolean);
  return card(width, w.pace, null, h("div", { class: "gauge" }, face),
    h("p", { class: `verdict ${is === "behind" ? "behind" : is === "enough" ? "ahead" : ""}` }, sign + w.paceVerdict[is]),
    h("dl", { class: "pairs" }, rows.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))));
}
