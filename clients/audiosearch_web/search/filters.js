/** Filters of the results: label, kind of sound and speaker with their counts, name, length. */

import { api } from "../core/api.js";
import { afterPause, field, h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { clock, secondsOf } from "../parts/clock.js";
import { search } from "../strings/search.js";

const t = words(search);
const MOST_VALUES = 1000;
const FACETS = ["label", "tag", "speaker"];
const LENGTHS = ["shortest", "longest"];

/** The filters in `values`, of an address or a session, with what is not set as at the start. */
export const filtersOf = ({ label, tag, speaker, called, shortest, longest }) => ({
  label: label || "",
  tag: tag || "",
  speaker: speaker || "",
  called: called || "",
  shortest: Number(shortest) || 0,
  longest: Number(longest) || 0,
});

/** True if anything is left out. */
export const narrowed = (values) => Object.values(filtersOf(values)).some(Boolean);

/** As the server takes them: a filter of clips. */
export function clipFilter(values) {
  const { label, tag, speaker, called, shortest, longest } = filtersOf(values);
  const range = { minimum: shortest || undefined, maximum: longest || undefined };
  const conditions = [
    tag && { field: "tag", anyOf: { values: [tag] } },
    called && { field: "display_name", contains: called },
    (shortest || longest) && { field: "duration", range },
  ];
  return {
    label: label || undefined,
    speaker: speaker || undefined,
    conditions: conditions.filter(Boolean).map((each) => JSON.stringify(each)),
  };
}

export class SearchFilters {
  #onchange;
  #values = filtersOf({});
  #counts = {};
  #library;
  #inputs = {
    ...Object.fromEntries(FACETS.map((key) => [key, this.#select(key)])),
    called: h("input", {
      type: "search",
      autocomplete: "off",
      maxLength: 255,
      oninput: afterPause(300, () => this.#set("called", this.#inputs.called.value.trim())),
    }),
    ...Object.fromEntries(LENGTHS.map((key) => [key, this.#length(key)])),
  };
  #fields = Object.fromEntries(
    Object.entries(this.#inputs).map(([key, input]) => [key, field(t(key), input)]),
  );
  #clear = h(
    "button",
    { type: "button", class: "button small", hidden: true, onclick: () => this.clear() },
    icon("close"),
    t("clearFilters"),
  );
  #failed = h("div", { class: "filters-failed" });

  /** `onchange()` hears of other values. */
  constructor(onchange) {
    this.#onchange = onchange;
    this.node = h(
      "div",
      { class: "filters search-filters", role: "group", "aria-label": t("filters") },
      Object.values(this.#fields),
      this.#clear,
      this.#failed,
    );
  }

  get values() {
    return { ...this.#values };
  }

  set values(values) {
    this.#values = filtersOf(values);
    for (const key of FACETS) this.#fill(key);
    this.#inputs.called.value = this.#values.called;
    for (const key of LENGTHS) this.#showLength(key);
    this.#clear.hidden = !narrowed(this.#values);
  }

  clear() {
    this.#inputs.called.focus();
    this.values = {};
    this.#onchange();
  }

  /**
   * Offers the labels and speakers of a library, with the number of clips that have each. `lengths`
   * is false where clips have none.
   */
  async offer(library, { lengths = true } = {}) {
    this.#library = library;
    for (const key of LENGTHS) this.#fields[key].hidden = !lengths;
    this.#failed.replaceChildren();
    try {
      const counts = await Promise.all(
        FACETS.map((key) => api.countValues(library, key, MOST_VALUES)),
      );
      if (this.#library !== library) return;
      FACETS.forEach((key, place) => {
        this.#counts[key] = (counts[place].values ?? []).filter(({ value }) => value);
        this.#fill(key);
      });
    } catch (error) {
      if (this.#library !== library) return;
      this.#failed.replaceChildren(failureBox(error, () => this.offer(library, { lengths })));
    }
  }

  #set(key, value) {
    if (this.#values[key] === value) return;
    this.#values[key] = value;
    this.#clear.hidden = !narrowed(this.#values);
    this.#onchange();
  }

  #select(key) {
    const select = h("select", { onchange: () => this.#set(key, select.value) });
    return select;
  }

  /** The values that there are, and the chosen one in any case. */
  #fill(key) {
    const chosen = this.#values[key];
    const counts = this.#counts[key] ?? [];
    const known = counts.some(({ value }) => value === chosen);
    const option = (value, text) => h("option", { value, selected: value === chosen }, text);
    this.#inputs[key].replaceChildren(
      option("", t("any")),
      ...(chosen && !known ? [option(chosen, chosen)] : []),
      ...counts.map(({ value, clipCount }) => option(value, `${value} (${number(clipCount)})`)),
    );
    this.#fields[key].hidden = !counts.length && !chosen;
  }

  #length(key) {
    const input = h("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      maxLength: 12,
      placeholder: "0:00",
      onchange: () => this.#typed(key, input),
    });
    return input;
  }

  #typed(key, input) {
    const value = input.value.trim() ? secondsOf(input.value) : 0;
    const wrong = value === undefined;
    input.setAttribute("aria-invalid", String(wrong));
    input.setCustomValidity(wrong ? t("lengthWrong") : "");
    if (wrong) input.reportValidity();
    else this.#set(key, value);
  }

  #showLength(key) {
    const value = this.#values[key];
    this.#inputs[key].value = value ? clock(value, 1) : "";
    this.#inputs[key].setCustomValidity("");
    this.#inputs[key].setAttribute("aria-invalid", "false");
  }
}
