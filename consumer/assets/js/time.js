// Time travel: a slider for the day that figures speak of, and the day whose knowledge they rest
// on. Both are in the address.

import { h } from "./dom.js";
import { at, between, day, plus } from "./format.js";
import { go } from "./state.js";
import { language, words } from "./words.js";

/** The first day of the programme. */
export const FIRST_DAY = "2022-01-01";
/** How long the slider rests before its day is asked about. */
const REST = 120;
/** Days that the name of a year takes, about. */
const NAME = 60;

let wait = null;
let parts = null;

/** Draws the bar, and afterwards keeps it right: it is never taken out of anybody's hand. */
export function timeBar(root, state, today) {
  root.hidden = Boolean(state.figure) || !today;
  if (root.hidden) return;
  if (parts?.language !== language()) parts = build(root);
  const days = between(FIRST_DAY, today);
  if (parts.today !== today) {
    parts.today = today;
    parts.slide.max = days;
    for (const input of parts.dates) input.max = today;
    const years = [];
    for (let year = at(FIRST_DAY).getUTCFullYear(); between(`${year}-01-01`, today) > NAME; year++) years.push(year);
    parts.years.replaceChildren(...years.map((year) => h("span", { style: { left: `${(between(FIRST_DAY, `${year}-01-01`) / days) * 100}%` } }, year)));
  }
  if (!wait) parts.slide.value = between(FIRST_DAY, state.as_of ?? today);
  parts.slide.setAttribute("aria-valuetext", day(state.as_of ?? today));
  for (const input of parts.dates) if (document.activeElement !== input) input.value = state[input.name] ?? "";
  parts.now.disabled = !state.as_of && !state.known_at;
}

function build(root) {
  const w = words();
  const date = (name) => h("input", {
    type: "date", name, min: FIRST_DAY, onchange: (event) => { if (event.target.validity.valid) go({ [name]: event.target.value && (name === "known_at" || event.target.value < parts.today) ? event.target.value : null }); },
  });
  const [asOf, knownAt] = [date("as_of"), date("known_at")];
  const slide = h("input", { type: "range", name: "slide", min: 0, max: 1, step: 1, "aria-label": w.asOfLabel, oninput: (event) => {
    const to = plus(FIRST_DAY, Number(event.target.value));
    slide.setAttribute("aria-valuetext", day(to));
    clearTimeout(wait);
    wait = setTimeout(() => { wait = null; go({ as_of: to >= parts.today ? null : to }, { replace: true }); }, REST);
  } });
  const years = h("div", { class: "years", "aria-hidden": "true" });
  const now = h("button", { type: "button", name: "now", class: "plain", onclick: () => go({ as_of: null, known_at: null }) }, w.now);
  root.replaceChildren(h("label", null, w.asOfLabel, asOf), h("div", { class: "slide" }, slide, years), h("label", null, w.knownLabel, knownAt), now);
  root.setAttribute("aria-label", w.travel);
  return { language: language(), today: null, slide, years, now, dates: [asOf, knownAt] };
}
