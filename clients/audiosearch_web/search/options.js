/** Options of a search: the number of results, and the lowest score. */

import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { DEFAULT_K } from "./session.js";
import { search } from "../strings/search.js";

const t = words(search);
const MOST_K = 1000;

const COMPACT = "audiosearch.compact";

export class SearchOptions {
  #compact = h("input", {
    type: "checkbox",
    checked: localStorage.getItem(COMPACT) === "yes",
    onchange: () => this.#showCompact(),
  });
  #k;
  #least;
  #leastShown = h("output", { class: "option-value" });

  /** `onchange()` hears of other values. */
  constructor(onchange) {
    this.#k = h("input", {
      type: "number",
      min: "1",
      max: String(MOST_K),
      inputmode: "numeric",
      onchange,
    });
    this.#least = h("input", {
      type: "range",
      min: "0",
      max: "1",
      step: "0.05",
      oninput: () => {
        this.#showLeast();
        onchange();
      },
    });
    this.node = h(
      "div",
      { class: "options" },
      h("label", { class: "option" }, h("span", { class: "field-label" }, t("most")), this.#k),
      h(
        "label",
        { class: "option wide" },
        h("span", { class: "field-label" }, t("least"), " "),
        this.#least,
        this.#leastShown,
      ),
      h("label", { class: "check compact-choice" }, this.#compact, t("compact")),
    );
    this.#showCompact();
  }

  get values() {
    const k = Math.min(Math.max(Math.round(Number(this.#k.value)) || DEFAULT_K, 1), MOST_K);
    return { k, minScore: Number(this.#least.value) };
  }

  set values({ k, minScore }) {
    this.#k.value = k;
    this.#least.value = minScore;
    this.#showLeast();
  }

  /** More results fit on a page of few lines; it is kept in this browser. */
  #showCompact() {
    localStorage.setItem(COMPACT, this.#compact.checked ? "yes" : "no");
    document.documentElement.classList.toggle("compact", this.#compact.checked);
  }

  #showLeast() {
    const value = Number(this.#least.value);
    this.#leastShown.textContent = value ? number(value, 2) : t("any");
    this.#least.setAttribute("aria-valuetext", this.#leastShown.textContent);
  }
}
