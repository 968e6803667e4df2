// What is shown where figures cannot be.

import { h } from "../dom.js";
import { go } from "../state.js";
import { words } from "../words.js";

/** A card that says what went wrong and offers to try again, and to come back from a day that cannot be shown. */
export function problemCard(error, retry, state) {
  const w = words();
  return h("section", { class: "card wrong", role: "alert" },
    h("h2", null, error.status === 503 ? w.notReady : error.title ?? w.failed),
    h("p", { class: "soft" }, error.message),
    h("p", null, h("button", { type: "button", class: "plain", onclick: retry }, w.retry), " ",
      state.as_of || state.known_at ? h("button", { type: "button", class: "plain", onclick: () => go({ as_of: null, known_at: null }) }, w.now) : null));
}
