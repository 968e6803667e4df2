// The nation: how far it is, the map, the ranking, and who falls behind.

import { ask } from "../api.js";
import { card, choice, h, replace, sayNow } from "../dom.js";
import { count, day, decimal, plus } from "../format.js";
import { makeMap } from "../map.js";
import { MEASURES, isBehind, shareOf, whyNone } from "../measure.js";
import { makeRanking } from "../ranking.js";
import { nameOf } from "../search.js";
import { address, follow, go, read } from "../state.js";
import { FIRST_DAY } from "../time.js";
import { words } from "../words.js";
import { aheadNotice, proof } from "../proof.js";
import { sparkline } from "../sparkline.js";
import { factsOf, standing } from "../standing.js";
import { isBeingRead, sentenceCard } from "../sentence.js";

/** How often pace is asked for again while figures move. */
const PACE_EVERY = 20_000;

export function nationView({ content, regions }) {
  const w = words();
  const map = makeMap({ choose: (code) => go({ region: code }) });
  const ranking = makeRanking();
  const stand = h("div");
  const behind = h("div");
  const evidence = h("div");
  const measures = h("span");
  const levels = h("span");
  const notice = h("div");
  const quote = h("div", { class: "w12" });
  let level = "regency";
  let rows = new Map();
  let paces = new Map();
  let nation = null;
  let nationPace = null;
  let series = null;
  let timer = null;
  let pending = null;
  const view = { today: null, title: () => w.nation, wants: () => [] };

  view.show = async (state, signal) => {
    const when = { as_of: state.as_of, known_at: state.known_at };
    const [own, ownPace, provinces, regencies, pace, provincePace] = await Promise.all([
      ask("regions/ID/progress", when, signal), ask("regions/ID/pace", when, signal),
      ask("progress", { level: "province", ...when }, signal), ask("progress", { level: "regency", ...when }, signal),
      ask("pace", { level: "regency", ...when }, signal), ask("pace", { level: "province", ...when }, signal),
    ]);
    const curve = await curveUntil(own.as_of, when, signal);
    const today = state.as_of ? view.today ?? (await ask("regions/ID/progress", {}, signal)).as_of : own.as_of;
    // All of it at once: nothing in between is of another question.
    nation = own;
    nationPace = ownPace;
    series = curve;
    view.today = today;
    rows = new Map([...provinces.rows, ...regencies.rows].map((row) => [row.region.code, row]));
    paces = new Map([...pace.rows, ...provincePace.rows].map((row) => [row.region.code, row]));
    if (!content.contains(map.element)) {
      content.replaceChildren(notice, h("div", { class: "grid" },
        h("section", { class: "card w4", "aria-label": w.nation }, stand),
        card("w8", w.map, measures, map.element),
        card("w8", w.ranking, [levels, " ", ranking.filter], ranking.element),
        card("w4", w.behindTitle, null, behind),
        quote), evidence);
    }
    draw();
    clearInterval(timer);
    if (!state.as_of && !state.known_at) timer = setInterval(() => again(signal), PACE_EVERY);
  };

  /** The year up to a day, by weeks. */
  async function curveUntil(day, when, signal) {
    const year = { from: latest(plus(day, -364), FIRST_DAY), to: day, step: "week", ...when };
    return year.from < year.to ? ask("regions/ID/series", year, signal) : { points: [] };
  }

  /** Pace, curve and evidence again, while figures move. */
  async function again(signal) {
    try {
      const [own, ownPace, ...lists] = await Promise.all([
        ask("regions/ID/progress", {}, signal), ask("regions/ID/pace", {}, signal),
        ask("pace", { level: "regency" }, signal), ask("pace", { level: "province" }, signal),
      ]);
      const curve = await curveUntil(own.as_of, {}, signal);
      if (signal.aborted) return;
      [nation, nationPace, series] = [own, ownPace, curve];
      paces = new Map(lists.flatMap((answer) => answer.rows).map((row) => [row.region.code, row]));
      later();
    } catch { /* the next time, then */ }
  }

  view.redraw = () => draw();
  view.receive = (row) => {
    if (!nation) return;
    const { code } = row.region;
    const before = code === "ID" ? nation : rows.get(code);
    if (code === "ID") nation = { ...nation, ...row };
    else rows.set(code, row);
    if (row.as_of) view.today = row.as_of;
    if (before && before.activated !== row.activated) {
      map.blink(code);
      if (code === "ID") sayNow(w.updated(w.nation, count(row.activated)));
    }
    later();
  };

  function later() {
    pending ??= setTimeout(() => { pending = null; draw(); }, 300);
  }

  function draw() {
    const state = read();
    const measure = MEASURES.includes(state.measure) ? state.measure : "attainment";
    replace(notice, ...noticeOf(state), ...aheadNotice(nation));
    replace(stand, ...standing(nation, "activated"), factsOf(nation, nationPace), sparkline(series));
    replace(measures, choice(w.map, MEASURES.map((name) => [name, w.measures[name], w.measureTitle[name]]), measure, (chosen) => go({ measure: chosen }, { replace: true })));
    replace(levels, choice(w.ranking, [["province", w.provinces], ["regency", w.regencies]], level, (chosen) => { level = chosen; draw(); }));
    const all = [...rows.values()];
    const items = all.filter((row) => row.region.level === "regency").map((row) => {
      const { longitude, latitude } = regions.get(row.region.code);
      return { code: row.region.code, name: row.region.name, longitude, latitude, activated: row.activated, share: shareOf(measure, row, paces.get(row.region.code)), none: whyNone(measure, paces.get(row.region.code)) };
    });
    map.show(items, measure);
    ranking.show(all.filter((row) => row.region.level === level), paces, measure, w.ranking);
    replace(behind, behindList());
    if (!isBeingRead(quote, state)) replace(quote, sentenceCard("", nation, state));
    replace(evidence, proof(nation));
  }

  function behindList() {
    const withTarget = [...paces.values()].filter((pace) => pace.goal);
    if (!withTarget.length) return h("p", { class: "soft" }, w.noTargets);
    const lagging = withTarget.filter(isBehind)
      .sort((a, b) => Number(a.windows.at(-1).percent_of_required ?? 0) - Number(b.windows.at(-1).percent_of_required ?? 0));
    if (!lagging.length) return h("p", { class: "soft" }, w.behindNone);
    const state = read();
    return h("ul", { class: "laggards" }, lagging.slice(0, 40).map((pace) => {
      const { code } = pace.region;
      return h("li", null,
        h("a", { href: address({ ...state, region: code }), onclick: (event) => follow(event, { region: code }) }, nameOf(code)),
        h("span", { class: "behind" }, `▼ ${pace.goal.required_per_day === null ? w.tooLate(count(pace.goal.to_go)) : w.behindRow(decimal(pace.windows.at(-1).per_day), decimal(pace.goal.required_per_day))}`));
    }));
  }

  view.leave = () => { clearInterval(timer); clearTimeout(pending); };
  return view;
}

/** Says that what is shown is not today's, where it is not. */
export function noticeOf(state) {
  const w = words();
  if (!state.as_of && !state.known_at) return [];
  return [h("p", { class: "notice", role: "note" }, w.travelNotice(formatDay(state.as_of), state.known_at && formatDay(state.known_at)))];
}

function formatDay(text) { return text ? day(text) : words().today; }

function latest(a, b) { return a > b ? a : b; }
