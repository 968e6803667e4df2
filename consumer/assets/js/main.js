// The page: the bar above, the view that the address says, the time below.

import { choice, h, replace, say } from "./dom.js";
import { address, follow, go, onChange, read } from "./state.js";
import { language, speak, words } from "./words.js";
import { freshness } from "./api.js";
import { loadRegions, search, successor } from "./search.js";
import { live } from "./live.js";
import { timeBar } from "./time.js";
import { problemCard } from "./views/problem.js";
import { nationView } from "./views/nation.js";
import { regionView } from "./views/region.js";
import { figureView } from "./views/figure.js";

const content = document.getElementById("content");
let view = null;
let loading = null;

theme(stored("laju-theme"));
speak(language());
draw(read());
onChange(draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { theme(stored("laju-theme")); view?.recolour?.(); });
setInterval(showAge, 1000);

/** Shows what a state says: keeps the view where it is still the same place. */
async function draw(state) {
  const w = words();
  document.querySelector(".skip").textContent = w.skip;
  bar(state);
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  const key = state.figure ? `figure ${state.figure}` : state.region;
  const asked = [key, state.as_of, state.known_at].join(" ");
  if (view?.key === key && view.asked === asked && view.redraw) return view.redraw();
  // What is live now is not what is asked for next.
  live.follow(null);
  try {
    const regions = await loadRegions();
    if (signal.aborted) return;
    // A link from before Papua was divided: the address bar says today's code.
    const today = state.figure ? null : successor(state.region);
    if (today) return go({ region: today }, { replace: true });
    if (view?.key !== key) {
      view?.leave?.();
      content.replaceChildren(h("p", { class: "wait" }, w.loading));
      const make = state.figure ? figureView : state.region === "ID" ? nationView : regionView;
      view = Object.assign(make({ content, state, regions, theme: isDark }), { key });
    }
    timeBar(document.getElementById("time"), state, view.today);
    view.asked = null;
    await view.show(state, signal);
    if (signal.aborted) return;
    view.asked = asked;
    timeBar(document.getElementById("time"), state, view.today);
    live.follow(state.figure || state.as_of || state.known_at ? null : view.wants?.() ?? null, (row) => {
      view.receive?.(row);
      timeBar(document.getElementById("time"), read(), view.today);
    });
    document.title = `${view.title?.() ?? ""} · ${w.title}`.replace(/^ · /, "");
    content.dataset.ready = key;
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    view?.leave?.();
    view = null;
    live.follow(null);
    content.replaceChildren(problemCard(error, () => draw(read()), state));
    // What passes by itself is tried again by itself: nobody stands before a screen on a wall.
    const passes = error.status === undefined || error.status >= 500 || error.status === 429;
    if (passes && !error.title?.includes(words().unknownRegion)) setTimeout(() => { if (!signal.aborted) draw(read()); }, error.status === 503 ? 2_000 : 10_000);
    say(error.message);
  }
}

function bar(state) {
  const w = words();
  const home = { region: "ID" };
  const themes = [["light", "☀", w.theme.light], ["dark", "☾", w.theme.dark]];
  replace(document.getElementById("bar"),
    h("a", { class: "brand", href: address({ ...state, ...home }), onclick: (event) => follow(event, { ...home, figure: null }) },
      h("img", { src: "assets/icon.svg", alt: "" }), "Laju", h("small", null, w.claim)),
    search(),
    h("div", { class: "pull" },
      pulse(),
      choice(w.language, [["id", "ID", "Bahasa Indonesia"], ["en", "EN", "English"]], language(), (chosen) => { speak(chosen); rebuild(); }),
      choice(w.theme.label, themes, isDark() ? "dark" : "light", (chosen) => { store("laju-theme", chosen); theme(chosen); bar(read()); view?.recolour?.(); })));
  showAge();
}

/** Everything again, in another language. */
function rebuild() {
  view?.leave?.();
  view = null;
  draw(read());
}

function pulse() {
  return h("span", { class: "pulse", id: "pulse" }, h("i"), h("span"));
}

function showAge() {
  const sign = document.getElementById("pulse");
  if (!sign) return;
  const w = words();
  const state = read();
  const past = state.as_of || state.known_at || state.figure;
  const since = freshness.at === null ? null : Math.max(0, Math.round((Date.now() - freshness.at) / 1000) + freshness.age);
  const kind = past ? "past" : live.state;
  sign.dataset.state = kind;
  sign.lastChild.textContent = kind === "past" ? w.past : kind === "lost" ? w.lost : kind === "idle" ? w.loading : since === null ? w.live : `${w.live} · ${w.age(since)}`;
}

function theme(chosen) {
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function isDark() { return document.documentElement.dataset.theme === "dark"; }

function stored(name) {
  const asked = new URLSearchParams(location.search).get("theme");
  if (name === "laju-theme" && (asked === "dark" || asked === "light")) return asked;
  try { return localStorage.getItem(name); } catch { return null; }
}

function store(name, value) {
  try { localStorage.setItem(name, value); } catch { /* not kept, then */ }
}
