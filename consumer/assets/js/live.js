// The live stream: one connection, which the browser itself takes up again after a break, from
// where it was. What comes is a region's latest state, so that missing some of them does no harm.

/** How long the stream may be silent before it is called lost: heartbeats come every 15 seconds. */
const SILENCE = 40_000;

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
    Object.assign(this, { wanted, source: null, state: "idle", heard: null });
    if (wanted === null) return;
    const url = wanted ? `/v1/stream?regions=${encodeURIComponent(wanted)}` : "/v1/stream";
    this.open(url);
    this.watch = setInterval(() => {
      if (this.heard !== null && Date.now() - this.heard > SILENCE) this.state = "lost";
      // A browser does not try again after an answer like 503: we do.
      if (this.source?.readyState === 2) this.open(url);
    }, 2_000);
  },

  open(url) {
    this.source?.close();
    const source = new EventSource(url);
    const hear = () => { this.heard = Date.now(); this.state = "live"; };
    source.addEventListener("open", hear);
    source.addEventListener("live", hear);
    source.addEventListener("heartbeat", hear);
    source.addEventListener("progress", (event) => { hear(); this.receive?.(JSON.parse(event.data)); });
    source.addEventListener("unready", () => { this.state = "lost"; });
    source.addEventListener("error", () => { this.state = "lost"; });
    this.source = source;
  },
};
