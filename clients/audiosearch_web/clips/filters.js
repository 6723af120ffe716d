/** Filters on the clips of a library. */

import { afterPause, field, h } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { library as strings } from "../strings/library.js";

const t = words(strings);
const STATES = ["ACTIVE", "FAILED", "CREATING", "DELETING"];
const TEXTS = ["displayNamePrefix", "label", "speaker"];

export class ClipFilters {
  #onchange;

  /**
   * `values` has state, label, speaker and displayNamePrefix, each or none. `onchange()` hears of
   * others.
   */
  constructor(values, onchange) {
    this.values = Object.fromEntries(
      [...TEXTS, "state"].map((key) => [key, values[key] || undefined]),
    );
    this.#onchange = onchange;
    this.node = h(
      "div",
      { class: "filters", role: "search", "aria-label": t("filters") },
      TEXTS.map((key) => this.#text(key)),
      field(t("state"), this.#states()),
    );
  }

  /** True if anything is left out but by its state. */
  get any() {
    return Object.values(this.values).some(Boolean);
  }

  /** As the server takes them. */
  get asked() {
    const { state, ...texts } = this.values;
    return { ...texts, state: state && `STATE_${state}` };
  }

  #text(key) {
    const change = afterPause(300, () => this.#onchange());
    const node = h("input", {
      type: "search",
      autocomplete: "off",
      value: this.values[key] ?? "",
      maxLength: 255,
      oninput: () => {
        this.values[key] = node.value || undefined;
        change();
      },
    });
    return field(t(key), node);
  }

  #states() {
    const options = STATES.map((value) =>
      h("option", { value, selected: value === this.values.state }, t(value))
    );
    const node = h(
      "select",
      {
        onchange: () => {
          this.values.state = node.value === STATES[0] ? undefined : node.value;
          this.#onchange();
        },
      },
      options,
    );
    return node;
  }
}
