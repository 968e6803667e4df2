// What is shown, which is what the address bar says: a link shows another person the same.

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const listeners = new Set();

/** The state that the address bar says. */
export function read() {
  const given = new URLSearchParams(location.search);
  const date = (name) => (isDate(given.get(name) ?? "") ? given.get(name) : null);
  return {
    figure: given.get("figure"),
    region: given.get("region") ?? "ID",
    as_of: date("as_of"),
    known_at: date("known_at"),
    measure: given.get("measure") ?? "attainment",
  };
}

/** Whether a text is a day that there is. */
function isDate(text) {
  const day = DATE.test(text) ? new Date(`${text}T00:00:00Z`) : null;
  return day !== null && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

/** Changes what is shown; `replace` where going back should not come by here again. */
export function go(change, { replace = false } = {}) {
  const next = { ...read(), ...change };
  const url = address(next);
  if (url === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", url);
  tell();
}

/** The address of a state. */
export function address(state) {
  const { figure, region, as_of, known_at, measure } = { ...read(), figure: null, ...state };
  const parts = new URLSearchParams();
  if (figure) parts.set("figure", figure);
  else if (region !== "ID") parts.set("region", region);
  if (as_of) parts.set("as_of", as_of);
  if (known_at) parts.set("known_at", known_at);
  if (measure !== "attainment") parts.set("measure", measure);
  const text = parts.toString();
  return location.pathname + (text ? `?${text}` : "");
}

/** Calls `listener` whenever the state has changed. */
export function onChange(listener) {
  listeners.add(listener);
}

function tell() {
  for (const listener of listeners) listener(read());
}

addEventListener("popstate", tell);

/** Turns a click on a link of ours into a change of state without a load. */
export function follow(event, state) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(state);
  scrollTo(0, 0);
  document.getElementById("content").focus({ preventScroll: true });
}
