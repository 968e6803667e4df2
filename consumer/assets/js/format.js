// Numbers, days and shares as people of a language write them. Shares come as decimal text and
// stay text: they are never read as binary fractions.

import { language } from "./words.js";

const LOCALES = { id: "id-ID", en: "en-GB" };
const made = new Map();

function formatter(kind, options) {
  const key = `${language()}${kind.name}${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new kind(LOCALES[language()], options));
  return made.get(key);
}

/** A count: 90.000. */
export function count(number) {
  return number === null || number === undefined ? "–" : formatter(Intl.NumberFormat, {}).format(number).replace("-", "−");
}

/** A count with its sign: +12. */
export function signed(number) {
  return formatter(Intl.NumberFormat, { signDisplay: "exceptZero" }).format(number).replace("-", "−");
}

/** A decimal text: "23.36" is 23,36. */
export function decimal(text) {
  if (text === null || text === undefined) return "–";
  const [whole, part] = String(text).split(".");
  const mark = language() === "id" ? "," : ".";
  return count(BigInt(whole)).replace(/^0$/, whole.startsWith("-") ? "−0" : "0") + (part === undefined ? "" : mark + part);
}

/** A share: 11,73 %. */
export function percent(text) {
  return text === null || text === undefined ? "–" : `${decimal(text)}\u00a0%`;
}

/** A day: 31 Desember 2023. */
export function day(text) {
  return text ? formatter(Intl.DateTimeFormat, { dateStyle: "long", timeZone: "UTC" }).format(at(text)) : "–";
}

/** A day, shorter: 31 Des 2023. */
export function shortDay(text) {
  return text ? formatter(Intl.DateTimeFormat, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(at(text)) : "–";
}

/** A month of the axis. */
export function month(seconds, withYear) {
  const options = withYear ? { month: "short", year: "2-digit", timeZone: "UTC" } : { month: "short", timeZone: "UTC" };
  return formatter(Intl.DateTimeFormat, options).format(new Date(seconds * 1000));
}

/** A moment, with its hour, in the programme's zone. */
export function moment(text) {
  const options = { dateStyle: "medium", timeStyle: "short", timeZone: "Asia/Jakarta" };
  return text ? `${formatter(Intl.DateTimeFormat, options).format(new Date(text))} WIB` : "–";
}

/** The noon of a day, as a Date. */
export function at(text) {
  return new Date(`${text}T00:00:00Z`);
}

/** A day some days later. */
export function plus(text, days) {
  return new Date(at(text).getTime() + days * 86_400_000).toISOString().slice(0, 10);
}

/** Days from one day to another. */
export function between(from, to) {
  return Math.round((at(to) - at(from)) / 86_400_000);
}
