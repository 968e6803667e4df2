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

async function request(url, options) {
  // Errors come in the page's language, which may differ from the browser's.
  const headers = { "accept-language": language(), ...options.headers };
  const response = await fetch(url, { ...options, headers });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, body);
  const age = response.headers.get("age");
  if (age !== null) Object.assign(freshness, { age: Number(age), at: Date.now() });
  return body;
}
