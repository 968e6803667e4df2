// The table of regions, and finding one of them by a few letters.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { go } from "./state.js";
import { words } from "./words.js";

let known = null;

/** Every region by its code. */
export async function loadRegions() {
  if (!known) known = new Map((await ask("regions")).rows.map((row) => [row.code, row]));
  return known;
}

/** Today's code of the region that had this one before; null for every other. */
export function successor(code) {
  return [...known?.values() ?? []].find((row) => row.former_code === code)?.code ?? null;
}

/** The province of a regency's code, the nation of a province's. */
export function parent(code) {
  return code.includes(".") ? code.split(".")[0] : "ID";
}

/** A region's name; the nation has one in each language. */
export function nameOf(code) {
  return code === "ID" ? words().nation : known?.get(code)?.name ?? code;
}

/** A combobox: arrows choose, Enter goes. */
export function search() {
  const w = words();
  const list = h("ul", { role: "listbox", id: "found", hidden: true, "aria-label": w.search });
  let chosen = -1;
  let found = [];
  const input = h("input", {
    id: "search", type: "search", role: "combobox", autocomplete: "off", placeholder: w.search, "aria-label": w.search,
    "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list",
    oninput: () => { chosen = -1; show(); },
    onfocus: show,
    onblur: () => setTimeout(hide, 150),
    onkeydown: (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        chosen = found.length ? (chosen + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length : -1;
        mark();
      } else if (event.key === "Enter" && found.length) take(found[Math.max(0, chosen)]);
      else if (event.key === "Escape") hide();
    },
  });
  function show() {
    const text = input.value.trim().toLowerCase();
    found = text ? [...known?.values() ?? []].filter((row) => row.name.toLowerCase().includes(text) || row.code.startsWith(text) || row.former_code?.startsWith(text)).slice(0, 12) : [];
    list.replaceChildren(...found.map((row, place) => h("li", {
      role: "option", id: `found-${place}`, "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); take(row); },
    }, h("span", null, row.code), row.name)));
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark();
  }
  function mark() {
    [...list.children].forEach((item, place) => {
      item.setAttribute("aria-selected", String(place === chosen));
      if (place === chosen) item.scrollIntoView({ block: "nearest" });
    });
    if (chosen >= 0) input.setAttribute("aria-activedescendant", `found-${chosen}`);
    else input.removeAttribute("aria-activedescendant");
  }
  function hide() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  }
  function take(row) {
    input.value = "";
    hide();
    input.blur();
    go({ region: row.code, figure: null });
    scrollTo(0, 0);
  }
  return h("div", { class: "search" }, input, list);
}
