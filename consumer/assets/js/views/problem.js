// What is shown where figures cannot be.

import { h } from "../dom.js";
import { words } from "../words.js";

/** A card that says what went wrong and offers to try again. */
export function problemCard(error, retry) {
  const w = words();
  return h("section", { class: "card wrong", role: "alert" },
    h("h2", null, error.status === 503 ? w.notReady : error.title ?? w.failed),
    h("p", { class: "soft" }, error.message),
    h("p", null, h("button", { type: "button", class: "plain", onclick: retry }, w.retry)));
}
