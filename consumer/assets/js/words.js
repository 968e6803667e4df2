// The two languages of the page.

import id from "./words/id.js";
import en from "./words/en.js";

const LANGUAGES = { id, en };
let chosen = first();

function first() {
  const asked = new URLSearchParams(location.search).get("lang") ?? stored("laju-lang");
  if (asked in LANGUAGES) return asked;
  return /^(id|ms|jv|su)\b/.test(navigator.language) ? "id" : navigator.language ? "en" : "id";
}

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

/** The language in use: `id` or `en`. */
export function language() { return chosen; }

/** Changes the language. */
export function speak(language) {
  chosen = language;
  document.documentElement.lang = language;
  try { localStorage.setItem("laju-lang", language); } catch { /* not kept, then */ }
}

/** The words of the language in use. */
export function words() { return LANGUAGES[chosen]; }
