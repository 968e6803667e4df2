// The measures by which regions are coloured and ranked. A share is turned into a binary number
// here to choose a colour, a length or a place, and for nothing that is shown as a figure.

import { count, percent } from "./format.js";
import { words } from "./words.js";

export const MEASURES = ["attainment", "coverage", "pace"];

const CLASSES = {
  attainment: { from: [0, 10, 25, 50, 75, 100], colour: "class" },
  coverage: { from: [0, 2.5, 5, 10, 15, 25], colour: "class" },
  pace: { from: [0, 50, 80, 100], colour: "pace" },
};

/** The share of a region by a measure, as the interface says it; null where there is none. */
export function shareOf(measure, row, pace) {
  if (measure === "attainment") return row.target?.attainment_percent ?? null;
  if (measure === "coverage") return row.denominators[0]?.coverage_percent ?? null;
  return pace?.windows.at(-1)?.percent_of_required ?? null;
}

/** Whether a region with a target goes too slowly for it, or has no day left. */
export function isBehind(pace) {
  return pace?.goal?.to_go > 0 && pace.windows.at(-1).is_enough !== true;
}

/** Why a region has no share by a measure. */
export function whyNone(measure, pace) {
  const w = words();
  if (measure !== "pace" || !pace?.goal) return w.noValue[measure];
  return pace.goal.to_go === 0 ? w.paceVerdict.met : w.tooLate(count(pace.goal.to_go));
}

/** The class of a share, from 0; -1 of none. */
export function classOf(measure, share) {
  return share === null ? -1 : CLASSES[measure].from.findLastIndex((from) => Number(share) >= from);
}

/** The colour of a class, as a CSS value. */
export function colourOf(measure, place) {
  return `var(--${CLASSES[measure].colour}-${place})`;
}

/** What the classes are called, the lowest first. */
export function classNames(measure) {
  const { from } = CLASSES[measure];
  return from.map((least, place) => {
    const most = from[place + 1];
    return most === undefined ? `≥ ${percent(String(least))}` : place === 0 ? `< ${percent(String(most))}` : `${percent(String(least)).replace(/\s%/, "")}–${percent(String(most))}`;
  });
}

/** A measure's name. */
export function nameOfMeasure(measure) {
  return words().measures[measure];
}
