// The live stream: one connection, which the browser itself takes up again after a break, from
// where it was. What comes is a region's latest state, so that missing some of them does no harm.

import { freshness, positionNow, reached } from "./api.js";

/** How long the stream may be silent before it is called lost: heartbeats come every 15 seconds. */
const SILENCE = 40_000;
/** How long to wait before trying again, at first and at most. */
const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 30_000;

export const live = {
  /** `live`, `lost` or `idle`. */
  state: "idle",
  /** When anything was heard last. */
  heard: null,
  source: null,
  wanted: null,

  /** Follows these regions (none: nothing), and calls `receive` with each state that comes. */
  follow(regions, receive) {
    const wanted = regions && regions.join(",");
    this.receive = receive;
    if (wanted === this.wanted && this.source?.readyState !== 2) return;
    this.source?.close();
    clearInterval(this.watch);
    Object.assign(this, { wanted, source: null, state: "idle", heard: null, last: null });
    if (wanted === null) return;
    const url = wanted ? `/v1/stream?regions=${encodeURIComponent(wanted)}` : "/v1/stream";
    this.wait = FIRST_WAIT;
    this.open(url);
    this.watch = setInterval(() => {
      const now = Date.now();
      const silent = now - Math.max(this.heard ?? 0, this.opened) > SILENCE;
      if (silent) this.state = "lost";
      // A browser tries again neither after an answer like 503 nor where a way has died silently.
      if ((silent || this.source?.readyState === 2) && now - this.opened > this.wait) {
        this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
        this.open(url);
      }
    }, 1_000);
  },

  /** Notes up to where everything was told. */
  note(event) {
    if (!event.lastEventId) return;
    this.last = event.lastEventId;
    reached(this.last.split(";f")[0]);
  },

  open(url) {
    this.source?.close();
    this.opened = Date.now();
    // Whichever node answers: it tells nothing from before what the page has, and goes on where the
    // last one has stopped.
    const at = Object.entries({ at_least: positionNow(), last_event_id: this.last })
      .filter(([, value]) => value).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    const source = new EventSource(at.length ? `${url}${url.includes("?") ? "&" : "?"}${at.join("&")}` : url);
    const hear = () => { this.heard = Date.now(); this.state = "live"; this.wait = FIRST_WAIT; };
    source.addEventListener("open", hear);
    source.addEventListener("live", (event) => { hear(); this.note(event); });
    source.addEventListener("heartbeat", hear);
    source.addEventListener("progress", (event) => {
      hear();
      Object.assign(freshness, { age: 0, at: Date.now() });
      this.note(event);
      this.receive?.(JSON.parse(event.data));
    });
    source.addEventListener("unready", () => { this.state = "lost"; });
    source.addEventListener("error", () => { this.state = "lost"; });
    this.source = source;
  },
};
