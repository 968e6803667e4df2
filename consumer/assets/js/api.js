// Asks the interface. One place for paths, errors and the age of what came.

import { language } from "./words.js";

/** An error as the interface explains it. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `HTTP ${status}`);
    this.status = status;
    this.title = body?.title ?? `HTTP ${status}`;
  }
}

/** What was answered last: its age in seconds when it came, and when it came. */
export const freshness = { age: null, at: null };

/** The answer at a path of `/v1`. */
export async function ask(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  const query = new URLSearchParams(given).toString();
  return request(`/v1/${path}${query ? `?${query}` : ""}`, { signal });
}

/** The answer behind a link that another answer gave. */
export function followLink(link, parameters = {}) {
  const url = new URL(link, location.origin);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return request(url.pathname + url.search, {});
}

/** Fixes a figure under a permanent id. */
export function quote(region, { as_of, known_at }) {
  const body = JSON.stringify({ region, as_of, known_at });
  return request("/v1/figures", { method: "POST", body, headers: { "content-type": "application/json" } });
}

/** Up to where the answers so far go: no later one is from before it, whichever node gives it. */
let position = null;

/** Up to where the answers so far go; null before the first one. */
export function positionNow() {
  return position;
}

/** Notes up to where an answer goes. */
export function reached(token) {
  if (token) position = position === null ? token : further(position, token);
}

/** The position that goes as far as two do, in every topic; the second one, of another log. */
export function further(a, b) {
  const [first, second] = [a, b].map(parts);
  if (first.log !== second.log) return b;
  const offsets = { ...first.offsets };
  for (const [place, offset] of Object.entries(second.offsets)) {
    offsets[place] = Math.max(offset, offsets[place] ?? 0);
  }
  // Names of whole numbers come first, and in their order.
  const events = Object.keys(offsets).filter((place) => /^\d/.test(place));
  const others = ["r", "s", "d"].filter((topic) => topic in offsets);
  return `${first.log}.${events.map((partition) => `${partition}:${offsets[partition]}`).join(",")}`
    + others.map((topic) => `;${topic}${offsets[topic]}`).join("");
}

function parts(token) {
  const [log, rest] = token.split(".", 2);
  const [events, ...others] = rest.split(";");
  const offsets = {};
  for (const part of events.split(",").filter(Boolean)) {
    const [partition, offset] = part.split(":");
    offsets[partition] = Number(offset);
  }
  for (const part of others) offsets[part[0]] = Number(part.slice(1));
  return { log, offsets };
}

async function request(url, options) {
  // Errors come in the page's language, which may differ from the browser's.
  const headers = { "accept-language": language(), ...options.headers };
  const send = () => fetch(url, { ...options, headers: position ? { ...headers, "laju-at-least": position } : headers });
  const answered = await send();
  let body = await answered.json().catch(() => null);
  let response = answered;
  if (response.status === 400 && body?.parameter === "at_least") {
    // It is of a log that is no more.
    position = null;
    response = await send();
    body = await response.json().catch(() => null);
  }
  reached(response.headers.get("laju-position"));
  if (!response.ok) throw new Problem(response.status, body);
  const age = response.headers.get("age");
  if (age !== null) Object.assign(freshness, { age: Number(age), at: Date.now() });
  return body;
}
