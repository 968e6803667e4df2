// The sentence to quote: a figure that cannot be misquoted, because it says its day, what its
// shares are shares of, and where those come from. And the figure fixed under a permanent link.

import { quote } from "./api.js";
import { card, h, say } from "./dom.js";
import { count, day, percent, shortDay } from "./format.js";
import { nameOf } from "./search.js";
import { words } from "./words.js";

/** The sentence. */
export function sentence(figures) {
  const w = words();
  const { target } = figures;
  // Of several denominators the one that the target is of: no sentence mixes two bases unsaid.
  const shown = figures.denominators.filter((one) => one.coverage_percent !== null);
  const chosen = shown.find((one) => one.basis === target?.basis) ?? shown[0];
  const parts = (chosen ? [chosen] : []).map((denominator) => w.sentenceShare(percent(denominator.coverage_percent), count(denominator.value), w.bases[denominator.basis], denominator.source));
  const shares = parts.length ? `: ${parts[0]}` : "";
  const aim = () => (target.percent === null ? `${count(target.people)} ${w.people}` : chosen?.basis === target.basis ? percent(target.percent) : w.targetIs.percent(percent(target.percent), w.bases[target.basis]));
  const goal = target && target.attainment_percent !== null ? `${parts.length ? "; " : ": "}${w.sentenceTarget(percent(target.attainment_percent), aim())}` : "";
  const given = { day: day(figures.as_of), count: count(figures.activated), place: nameOf(figures.region.code), shares, target: goal };
  const text = figures.region.code === "ID" ? w.sentenceNation(given) : w.sentence(given);
  return text + (figures.known_at ? w.sentenceKnown(day(figures.known_at)) : "");
}

/** The figure that was fixed last of each region: its link stays while the figure moves on. */
const fixed = new Map();

/** The card with the sentence and what can be done with it. */
export function sentenceCard(width, figures, state) {
  const w = words();
  const { code } = figures.region;
  const text = sentence(figures);
  const link = h("span", { class: "small", id: "permanent" });
  const showLink = ({ figure_id: id, activated, as_of }) => link.replaceChildren(
    `${w.fixedAs} (${count(activated)}, ${shortDay(as_of)}): `,
    h("a", { href: `${location.pathname}?figure=${id}` }, `${location.origin}${location.pathname}?figure=${id}`));
  if (fixed.has(code)) showLink(fixed.get(code));
  const copy = h("button", { type: "button", class: "plain strong", id: "copy", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = w.copied;
      say(w.copied);
    } catch {
      copy.textContent = w.copyFailed;
      say(w.copyFailed);
    }
  } }, w.copy);
  const fix = h("button", { type: "button", class: "plain", id: "fix", onclick: async () => {
    if (fix.getAttribute("aria-busy")) return;
    fix.setAttribute("aria-busy", "true");
    fix.textContent = w.fixing;
    try {
      const figure = await quote(code, { as_of: figures.as_of, known_at: state.known_at });
      fixed.set(code, figure);
      // The card may have been drawn again meanwhile.
      document.getElementById("permanent")?.replaceWith(link);
      showLink(figure);
      say(w.fixedAs);
    } catch (error) { link.replaceChildren(error.message); }
    fix.removeAttribute("aria-busy");
    fix.textContent = w.fix;
  } }, w.fix);
  return card(`${width} quote`, w.quote, null, h("blockquote", { id: "sentence" }, text), h("div", { class: "does" }, copy, fix, link));
}

/** Whether somebody is choosing text of this card, of the same question: then it stays as it is. */
export function isBeingRead(slot, state) {
  const question = [state.region, state.as_of, state.known_at].join(" ");
  const isSame = slot.dataset.question === question;
  slot.dataset.question = question;
  const selection = getSelection();
  return isSame && selection !== null && !selection.isCollapsed && selection.containsNode(slot, true);
}
