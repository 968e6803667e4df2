// Time travel: a slider for the day that figures speak of, and the day whose knowledge they rest
// on. Both are in the address.

import { h } from "./dom.js";
import { at, between, day, plus } from "./format.js";
import { go } from "./state.js";
import { words } from "./words.js";

/** The first day of the programme. */
export const FIRST_DAY = "2022-01-01";

let wait = null;

/** Draws the bar, or only puts it right while somebody holds the slider. */
export function timeBar(root, state, today) {
  const w = words();
  root.hidden = Boolean(state.figure);
  if (!today || state.figure) return;
  const slider = root.querySelector("input[type=range]");
  if (slider && root.dataset.built === `${today} ${document.documentElement.lang}`) {
    const place = between(FIRST_DAY, state.as_of ?? today);
    if (document.activeElement !== slider || Number(slider.value) !== place && !wait) slider.value = place;
    slider.setAttribute("aria-valuetext", day(state.as_of ?? today));
    for (const input of root.querySelectorAll("input[type=date]")) input.value = state[input.name] ?? "";
    root.querySelector("button").disabled = !state.as_of && !state.known_at;
    return;
  }
  const focused = root.contains(document.activeElement) ? document.activeElement.name : null;
  root.dataset.built = `${today} ${document.documentElement.lang}`;
  const years = [];
  for (let year = at(FIRST_DAY).getUTCFullYear(); year <= at(today).getUTCFullYear(); year++) years.push(year);
  // A year that has only just begun has no room for its name.
  if (between(`${years.at(-1)}-01-01`, today) < 60 && years.length > 1) years.pop();
  const date = (name, label) => h("label", null, label, h("input", {
    type: "date", name, min: FIRST_DAY, max: today, value: state[name] ?? "",
    onchange: (event) => { if (event.target.validity.valid) go({ [name]: event.target.value || null }); },
  }));
  const slide = h("input", {
    type: "range", name: "slide", min: 0, max: between(FIRST_DAY, today), step: 1, "aria-label": w.asOfLabel,
    "aria-valuetext": day(state.as_of ?? today),
    oninput: (event) => {
      const to = plus(FIRST_DAY, Number(event.target.value));
      event.target.setAttribute("aria-valuetext", day(to));
      clearTimeout(wait);
      wait = setTimeout(() => { wait = null; go({ as_of: to >= today ? null : to }, { replace: true }); }, 120);
    },
  });
  slide.value = between(FIRST_DAY, state.as_of ?? today);
  root.replaceChildren(
    date("as_of", w.asOfLabel),
    h("div", { class: "slide" }, slide, h("div", { class: "years", "aria-hidden": "true" }, years.map((year) => h("span", { style: { left: `${(between(FIRST_DAY, `${year}-01-01`) / Math.max(1, between(FIRST_DAY, today))) * 100}%` } }, year)))),
    date("known_at", w.knownLabel),
    h("button", { type: "button", name: "now", class: "plain", disabled: !state.as_of && !state.known_at, onclick: () => go({ as_of: null, known_at: null }) }, w.now));
  root.setAttribute("aria-label", w.travel);
  if (focused) root.querySelector(`[name="${focused}"]`)?.focus();
}
