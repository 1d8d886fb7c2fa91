// An opinion as bars: upright in the order of the classes where names are short, else a list of the
// most likely.

import { percent } from "./words.js";

const SHORT = 2; // letters of a name that fits below an upright bar
const FEW = 16; // classes that fit beside each other

/**
 * @param {HTMLElement} element to fill; it becomes an image with a text that says what it shows
 * @param {string[]} classes
 * @param {string} whose what holds the opinion, for the text
 * @returns {(scores: import("./answer.js").Score[] | null) => void} shows an opinion, or none
 */
export function bars(element, classes, whose) {
  const upright = classes.length <= FEW && classes.every((name) => name.length <= SHORT);
  element.classList.remove("upright", "listed");
  element.classList.add("bars", upright ? "upright" : "listed");
  element.setAttribute("role", "img");
  const rows = new Map(classes.map((name) => [name, row(name)]));
  const list = document.createElement("div");
  list.className = "rows";
  list.style.setProperty("--count", String(classes.length));
  list.append(...[...rows.values()].map(({ item }) => item));
  element.replaceChildren(list);

  const show = (scores) => {
    const best = scores?.[0].label;
    for (const [place, { label, score }] of (scores ?? classes.map((label) => ({ label, score: 0 }))).entries()) {
      const { item, bar, value } = rows.get(label);
      bar.style.setProperty("--score", score.toFixed(4));
      item.classList.toggle("best", label === best);
      value.textContent = scores ? percent(score) : "";
      if (!upright) item.style.setProperty("--place", String(place));
    }
    const most = scores?.slice(0, 3).map(({ label, score }) => `${label} ${percent(score)}`);
    if (element.scrollHeight > element.clientHeight + 1) element.tabIndex = 0; // so that the keyboard can scroll it
    else element.removeAttribute("tabindex");
    element.setAttribute("aria-label", most ? `${whose}: ${most.join(", ")}` : `${whose}: nothing yet`);
  };
  show(null);
  return show;
}

/** The bar of a class. */
function row(name) {
  const item = document.createElement("div");
  item.className = "row";
  const [label, track, bar, value] = ["label", "track", "bar", "value"].map((kind) => {
    const part = document.createElement("span");
    part.className = kind;
    return part;
  });
  label.textContent = name;
  label.title = name;
  track.append(bar);
  item.append(label, track, value);
  return { item, bar, value };
}
