// A region: everything about one regency, city or province.

import { ask } from "../api.js";
import { card, choice, h, replace, say, sayNow } from "../dom.js";
import { between, count, plus } from "../format.js";
import { makeChart } from "../chart.js";
import { paceCard } from "../gauge.js";
import { makeMap } from "../map.js";
import { shareOf } from "../measure.js";
import { breakdownCard } from "../breakdown.js";
import { changeCard } from "../change.js";
import { completenessCard } from "../completeness.js";
import { flowsCard } from "../flows.js";
import { outreachCard } from "../outreach.js";
import { aheadNotice, proof } from "../proof.js";
import { makeRanking } from "../ranking.js";
import { nameOf, parent } from "../search.js";
import { isBeingRead, sentenceCard } from "../sentence.js";
import { factsOf, standing } from "../standing.js";
import { address, follow, go, read } from "../state.js";
import { FIRST_DAY } from "../time.js";
import { words } from "../words.js";
import { noticeOf } from "./nation.js";

/** How often what lies behind the figure is asked for again while it moves. */
const AGAIN = 8_000;
/** How often a page on which nothing happens asks all the same. */
const AT_LEAST = 30_000;
/** How many kiosks are listed at most. */
const LISTED = 200;
/** From how many days on the curve is drawn by weeks. */
const MANY_DAYS = 400;

export function regionView({ content, state: first, regions }) {
  const w = words();
  const code = first.region;
  if (!regions.has(code)) throw Object.assign(new Error(code), { title: w.unknownRegion });
  const isProvince = !code.includes(".");
  const chart = makeChart();
  const map = isProvince ? makeMap({ within: code, choose: (chosen) => go({ region: chosen }) }) : null;
  const ranking = isProvince ? makeRanking() : null;
  const slots = Object.fromEntries(["notice", "trail", "stand", "pace", "ranges", "quote", "facts", "breakdown", "change", "complete", "outreach", "flows", "proof"].map((name) => [name, h("div", { class: "slot" })]));
  let range = "365";
  let tab = "channel";
  let mode = null;
  let known = {};
  let again = null;
  let heartbeat = null;
  let latestRow = null;
  let isShowing = false;
  let isAskedAgain = false;
  let control = new AbortController();
  const view = { today: null, title: () => nameOf(code), wants: () => (isProvince ? [code, ...inside().map((row) => row.code)] : [code]) };

  function inside() {
    return [...regions.values()].filter((row) => row.code.startsWith(`${code}.`));
  }

  view.show = async (state, signal) => {
    control.abort();
    control = new AbortController();
    signal.addEventListener("abort", () => control.abort());
    latestRow = null;
    clearTimeout(again);
    clearInterval(heartbeat);
    again = null;
    isShowing = true;
    try {
      await load(state, control.signal);
    } finally {
      isShowing = false;
    }
    frame();
    drawAll();
    if (isAskedAgain) refresh();
    isAskedAgain = false;
    if (!state.as_of && !state.known_at) heartbeat = setInterval(refresh, AT_LEAST);
  };

  async function load(state, signal) {
    const rowBefore = latestRow;
    const when = { as_of: state.as_of, known_at: state.known_at };
    const progress = await ask(`regions/${code}/progress`, when, signal);
    if (!state.as_of) view.today = progress.as_of;
    view.today ??= (await ask(`regions/${code}/progress`, {}, signal)).as_of;
    const { as_of } = progress;
    const begin = range === "all" ? FIRST_DAY : later(plus(as_of, -Number(range)), FIRST_DAY);
    const from = begin < as_of ? begin : as_of;
    const step = between(from, as_of) > MANY_DAYS ? "week" : "day";
    const changing = mode ?? (state.as_of ? "as_of" : "known_at");
    const week = plus(changing === "as_of" ? as_of : state.known_at ?? view.today, -7);
    const [series, pace, change, breakdown, kiosks, visits, flows, targets, rows, paces] = await Promise.all([
      ask(`regions/${code}/series`, { from, to: as_of, step, ...when }, signal),
      ask(`regions/${code}/pace`, when, signal),
      changing === "as_of"
        ? ask(`regions/${code}/change`, { axis: "as_of", from: week, to: as_of, known_at: state.known_at }, signal)
        : ask(`regions/${code}/change`, { axis: "known_at", from: week, to: state.known_at ?? view.today, as_of: state.as_of }, signal),
      ask(`regions/${code}/breakdown`, { by: tab, ...when }, signal),
      kiosksNow(state, signal),
      ask("outreach", { within: code, from, to: as_of, limit: 500, ...when }, signal),
      ask(`regions/${code}/flows`, when, signal),
      targetsBack(progress, from, state, signal),
      isProvince ? ask("progress", { level: "regency", within: code, ...when }, signal) : null,
      isProvince ? ask("pace", { level: "regency", within: code, ...when }, signal) : null,
    ]);
    // A row that came meanwhile is later than the answer.
    const newest = latestRow !== rowBefore && latestRow ? { ...progress, ...latestRow } : progress;
    known = { state, progress: newest, series, pace, change, changing, breakdown, kiosks, visits, flows, targets, rows: rows && new Map(rows.rows.map((row) => [row.region.code, row])), paces: paces && new Map(paces.rows.map((row) => [row.region.code, row])) };
  }

  /** Which kiosks lack what, as it is now: what was missing in the past is not known. */
  async function kiosksNow(state, signal) {
    if (state.known_at) return null;
    const count = (filter, limit) => ask("kiosks", { within: code, limit, ...filter }, signal);
    const [all, missing, silent] = await Promise.all([count({}, 1), count({ missing: true }, LISTED), count({ silent: true }, LISTED)]);
    return { total: all.total, missing, silent };
  }

  /** The targets that applied, the latest last: each is asked for on the day before the next began. */
  async function targetsBack(progress, from, state, signal) {
    const spans = [];
    let { target } = progress;
    let { as_of } = progress;
    if (!target) {
      const before = await ask(`regions/${code}/progress`, { as_of: yearBefore(as_of), known_at: state.known_at }, signal);
      ({ target, as_of } = before);
    }
    while (target && spans.length < 5) {
      spans.unshift({ from: later(target.valid_from, from), to: target.valid_to ?? yearEnd(as_of), people: target.people });
      if (target.valid_from <= from) break;
      const day = plus(target.valid_from, -1);
      if (day < FIRST_DAY) break;
      ({ target } = await ask(`regions/${code}/progress`, { as_of: day, known_at: state.known_at }, signal));
      as_of = day;
    }
    return spans.filter((span) => span.to >= from);
  }

  function frame() {
    if (content.contains(slots.stand)) return;
    content.replaceChildren(slots.notice, slots.trail, h("div", { class: "grid" },
      h("section", { class: "card w4", "aria-label": nameOf(code) }, slots.stand),
      card("w8", w.curve, slots.ranges, chart.element),
      slots.pace, h("div", { class: "stack w8" }, slots.quote, slots.change),
      isProvince ? card("w5", w.map, null, map.element) : null,
      isProvince ? card("w7", w.regionsHere, ranking.filter, ranking.element) : null,
      slots.breakdown, slots.complete, slots.flows, slots.outreach), slots.proof);
  }

  function drawAll() {
    const { state, progress, series, pace, targets, visits } = known;
    const put = (name, ...children) => replace(slots[name], ...children);
    put("notice", ...noticeOf(state), ...aheadNotice(progress));
    put("trail", trail(state));
    drawStanding();
    put("ranges", choice(w.curve, Object.entries(w.ranges).sort((a, b) => (a[0] === "all") - (b[0] === "all")), range, (chosen) => { range = chosen; refresh(); }));
    const window = pace.windows.find((one) => one.days === 28);
    chart.show({
      points: series.points, targets, visits: visits.rows, forecast: window?.forecast?.on > pace.as_of ? window.forecast : null, as_of: pace.as_of, activated: pace.activated,
      fromZero: range === "all" || targets.length > 0,
    });
    put("pace", paceCard("w4", pace));
    put("breakdown", breakdownCard("w4", known.breakdown, tab, (chosen) => { tab = chosen; refresh(); }));
    put("change", changeCard("", known.change, known.changing, (chosen) => { mode = chosen; refresh(); }));
    put("complete", known.kiosks ? completenessCard("w4", known.kiosks, progress, state) : []);
    put("outreach", outreachCard("w12", visits));
    put("flows", flowsCard("w4", known.flows));
    drawInside();
    put("proof", proof(progress));
  }

  function drawStanding() {
    const { state, progress, pace } = known;
    replace(slots.stand, h("h1", null, nameOf(code)), ...standing(progress, "activated"), factsOf(progress, pace));
    if (!isBeingRead(slots.quote, state)) replace(slots.quote, sentenceCard("", progress, state));
  }

  function drawInside() {
    if (!isProvince) return;
    const rows = [...known.rows.values()];
    map.show(rows.map((row) => {
      const { longitude, latitude } = regions.get(row.region.code);
      return { code: row.region.code, name: row.region.name, longitude, latitude, activated: row.activated, share: shareOf("attainment", row) };
    }), "attainment");
    ranking.show(rows, known.paces, "attainment", w.regionsHere);
  }

  function trail(state) {
    const above = isProvince ? ["ID"] : ["ID", parent(code)];
    return h("nav", { "aria-label": w.title }, h("ol", { class: "trail" },
      above.map((region) => h("li", null, h("a", { href: address({ ...state, region }), onclick: (event) => follow(event, { region }) }, nameOf(region)))),
      h("li", { "aria-current": "page" }, `${nameOf(code)} (${code})`)));
  }

  async function refresh() {
    if (isShowing) { isAskedAgain = true; return; }
    control.abort();
    control = new AbortController();
    try {
      await load(read(), control.signal);
      drawAll();
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
    }
  }

  view.receive = (row) => {
    if (!known.progress) return;
    if (row.region.code === code) {
      latestRow = row;
      const moved = known.progress.activated !== row.activated;
      known.progress = { ...known.progress, ...row };
      view.today = row.as_of ?? view.today;
      drawStanding();
      if (moved) sayNow(w.updated(nameOf(code), count(row.activated)));
    } else if (known.rows?.has(row.region.code)) {
      known.rows.set(row.region.code, row);
      map.blink(row.region.code);
      drawInside();
    }
    again ??= setTimeout(() => { again = null; refresh(); }, AGAIN);
  };
  view.recolour = () => { chart.recolour(); };
  view.leave = () => { clearTimeout(again); clearInterval(heartbeat); control.abort(); chart.leave(); };
  return view;
}

function later(a, b) { return a > b ? a : b; }
function yearEnd(day) { return `${day.slice(0, 4)}-12-31`; }
function yearBefore(day) { return `${Number(day.slice(0, 4)) - 1}-12-31`; }
