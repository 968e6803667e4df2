// What an answer rests on, at the foot of a page.

import { h } from "./dom.js";
import { count, day } from "./format.js";
import { words } from "./words.js";

const DAY_MS = 86_400_000;

/** Says that a record was stamped far in the future, by a clock that is wrong, where one was. */
export function aheadNotice(answer, now = Date.now()) {
  const w = words();
  const ahead = (answer.evidence?.partitions ?? []).filter((part) => part.recorded_until && Date.parse(part.recorded_until) - now > DAY_MS);
  return ahead.map((part) => h("p", { class: "notice", role: "note" }, w.recordedAhead(part.partition, day(part.recorded_until.slice(0, 10)))));
}

export function proof(answer) {
  const w = words();
  const { evidence, link } = answer;
  if (!evidence) return h("div");
  const offsets = evidence.partitions.map((part) => `${part.partition}:${part.next_offset}`).join(" ");
  const total = evidence.partitions.reduce((sum, part) => sum + part.next_offset, 0);
  return h("div", { class: "proof" },
    h("span", null, `${w.evidence}: `, h("a", { href: link }, link)),
    h("span", { title: offsets }, `${w.offsets} ${count(total)} (${evidence.partitions.length})`),
    h("span", null, `${w.reference} ${count(evidence.reference_next_offset)}`),
    h("span", null, `${w.rules} `, h("code", null, evidence.fold_version)),
    h("span", null, `${w.cluster} `, h("code", null, evidence.cluster_id)),
    h("a", { href: "/docs" }, w.api));
}
