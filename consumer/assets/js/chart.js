// The curve of activations, with targets, forecast and outreach visits. Drawn by uPlot; what it
// shows is in a table as well.

import uPlot from "../lib/uPlot.esm.js";
import { h } from "./dom.js";
import { at, count, day, month, shortDay } from "./format.js";
import { words } from "./words.js";

const seconds = (text) => at(text).getTime() / 1000;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A chart that is drawn again whenever its data or colours change. */
export function makeChart() {
  const box = h("div", { class: "chart", role: "img" });
  const legend = h("ul", { class: "legend" });
  const table = h("details");
  const element = h("div", null, legend, box, table);
  let plot = null;
  let data = null;
  let columns = null;
  const watcher = new ResizeObserver(() => plot && plot.width !== box.clientWidth && plot.setSize(size()));
  watcher.observe(box);

  const size = () => ({ width: Math.max(200, box.clientWidth), height: Math.round(Math.min(620, Math.max(300, box.clientWidth * 0.5))) });

  /** `series` points, `targets` spans, a `forecast` or null, `visits`. */
  function show(next) {
    data = next;
    draw();
    tell();
  }

  function draw() {
    if (!data) return;
    columns = tabulate(data);
    plot?.destroy();
    box.replaceChildren();
    const ink = colour("soft");
    const grid = { stroke: colour("line"), width: 1 };
    const font = `${Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.76)}px "Plus Jakarta Sans", sans-serif`;
    const accent = colour("accent");
    const years = columns[0].length > 1 && columns[0].at(-1) - columns[0][0] > 500 * 86_400;
    const line = (label, stroke, more) => ({ label, stroke, width: 2.5, points: { show: false }, spanGaps: false, value: (_, value) => count(value === null ? null : Math.round(value)), ...more });
    plot = new uPlot({
      ...size(), tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1000), "UTC"),
      padding: [12, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 8 } },
      scales: { x: { time: true }, y: { range: (_, low, high) => [data.fromZero ? 0 : Math.max(0, low - (high - low) * 0.12), high + (high - low || 1) * 0.1] } },
      axes: [
        { stroke: ink, grid: { show: false }, ticks: grid, font, values: (_, stamps) => stamps.map((stamp) => month(stamp, years || new Date(stamp * 1000).getUTCMonth() === 0)), space: 60 },
        { stroke: ink, grid, ticks: { show: false }, font, size: 78, values: (_, numbers) => numbers.map((number) => (Number.isInteger(number) ? count(number) : "")) },
      ],
      series: [{},
        line(words().legend.activated, accent, { fill: `${accent}1f`, width: 3 }),
        line(words().legend.target, colour("goal"), { dash: [8, 5] }),
        line("80+", "transparent", { width: 0 }), line("80-", "transparent", { width: 0 }),
        line("95+", "transparent", { width: 0 }), line("95-", "transparent", { width: 0 }),
        line(words().legend.forecast, accent, { dash: [3, 4], width: 2 }),
      ],
      bands: [{ series: [5, 6], fill: `${accent}1c` }, { series: [3, 4], fill: `${accent}33` }],
      hooks: { draw: [drawVisits], setCursor: [point] },
    }, columns, box);
    box.append(tip);
  }

  const tip = h("div", { class: "tip", hidden: true });

  function point(chart) {
    const { idx, left } = chart.cursor;
    const known = idx !== null && idx !== undefined && left >= 0 && data.points.find((point) => seconds(point.to) === columns[0][idx]);
    tip.hidden = !known;
    if (!known) return;
    tip.replaceChildren(h("b", null, shortDay(known.to)), `${count(known.activated)} · +${count(known.activations)}`);
    tip.style.left = `${chart.over.offsetLeft + Math.min(Math.max(left, 70), chart.over.clientWidth - 70)}px`;
    tip.style.top = `${chart.over.offsetTop + chart.valToPos(known.activated, "y")}px`;
  }

  /** Outreach visits as ticks at the foot, as tall as what they brought. */
  function drawVisits(chart) {
    const { ctx, bbox } = chart;
    if (!data.visits.length) return;
    const most = Math.max(...data.visits.map((visit) => visit.activations), 1);
    ctx.save();
    ctx.fillStyle = colour("ahead");
    ctx.globalAlpha = data.visits.length > 150 ? 0.45 : 0.75;
    const thick = Math.max(1, Math.min(4, bbox.width / data.visits.length / 2)) * devicePixelRatio;
    for (const visit of data.visits) {
      const x = chart.valToPos(seconds(visit.first_day), "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      const high = (5 + 22 * (visit.activations / most)) * devicePixelRatio;
      ctx.fillRect(x - thick / 2, bbox.top + bbox.height - high, thick, high);
    }
    ctx.restore();
  }

  function tell() {
    const w = words();
    const { points } = data;
    const last = points.at(-1);
    if (last) box.setAttribute("aria-label", `${w.curve}: ${day(points[0].from)}, ${count(points[0].activated)} → ${day(last.to)}, ${count(last.activated)}`);
    const sample = (background, extra = {}) => h("i", { style: { display: "inline-block", width: "1.2rem", height: "0.5rem", "border-radius": "2px", background, ...extra } });
    legend.replaceChildren(...[
      h("li", null, sample("var(--accent)", { height: "0.25rem" }), w.legend.activated),
      data.targets.length ? h("li", null, sample("none", { height: "0", "border-top": "2px dashed var(--goal)" }), w.legend.target) : null,
      data.forecast ? h("li", null, sample("color-mix(in srgb, var(--accent) 30%, transparent)"), w.legend.forecast) : null,
      data.visits.length ? h("li", null, sample("var(--ahead)", { width: "0.3rem", height: "0.9rem" }), w.legend.outreach) : null,
    ].filter(Boolean));
    const rows = points.slice(-60).reverse();
    const open = table.open;
    table.replaceChildren(h("summary", null, w.asTable), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w.asTable }, h("table", { class: "rows" },
      h("thead", null, h("tr", null, h("th", { scope: "col" }, w.date), h("th", { scope: "col", class: "number" }, w.active), h("th", { scope: "col", class: "number" }, "+"))),
      h("tbody", null, rows.map((point) => h("tr", null, h("th", { scope: "row" }, shortDay(point.to)), h("td", { class: "number" }, count(point.activated)), h("td", { class: "number" }, count(point.activations))))))));
    table.open = open;
  }

  return { element, show, recolour: draw, leave: () => { watcher.disconnect(); plot?.destroy(); } };
}

/** The columns that uPlot draws: every day on which anything stands, and what stands on it. */
function tabulate({ points, targets, forecast, activated, as_of }) {
  const stamps = new Set(points.map((point) => seconds(point.to)));
  for (const target of targets) for (const date of [target.from, target.to]) stamps.add(seconds(date));
  if (forecast) { stamps.add(seconds(as_of)); stamps.add(seconds(forecast.on)); }
  const x = [...stamps].sort((a, b) => a - b);
  const known = new Map(points.map((point) => [seconds(point.to), point.activated]));
  const targetAt = (stamp) => targets.findLast((target) => seconds(target.from) <= stamp && stamp <= seconds(target.to))?.people ?? null;
  const from = seconds(as_of);
  const until = forecast ? seconds(forecast.on) : from;
  const ahead = (end) => x.map((stamp) => (!forecast || stamp < from || stamp > until ? null : activated + (end - activated) * ((stamp - from) / Math.max(1, until - from))));
  const interval = (percent, side) => forecast?.intervals.find((one) => one.percent === percent)?.[side] ?? activated;
  return [x, x.map((stamp) => known.get(stamp) ?? (stamp <= from ? undefined : null)), x.map(targetAt),
    ahead(interval(80, "upper")), ahead(interval(80, "lower")), ahead(interval(95, "upper")), ahead(interval(95, "lower")),
    ahead(forecast?.activated ?? activated)];
}
