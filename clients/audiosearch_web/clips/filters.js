/** Filters on the clips of a library, and their order. */

import { afterPause, field, h } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { library as strings } from "../strings/library.js";

const t = words(strings);
const STATES = ["ACTIVE", "FAILED", "CREATING", "DELETING"];
const TEXTS = ["displayNamePrefix", "label", "speaker"];
/** As the server takes them, by their names in the address; the first one is the order without. */
const ORDERS = {
  oldest: "create_time",
  newest: "create_time desc",
  "a-z": "display_name",
  "z-a": "display_name desc",
  shortest: "duration",
  longest: "duration desc",
};

export class ClipFilters {
  #onchange;

  /**
   * `values` has state, label, speaker, displayNamePrefix and sort, each or none. `onchange()`
   * hears of others.
   */
  constructor(values, onchange) {
    this.values = Object.fromEntries(
      [...TEXTS, "state", "sort"].map((key) => [key, values[key] || undefined]),
    );
    if (!Object.hasOwn(ORDERS, this.values.sort ?? "")) this.values.sort = undefined;
    this.#onchange = onchange;
    this.node = h(
      "div",
      { class: "filters", role: "search", "aria-label": t("filters") },
      TEXTS.map((key) => this.#text(key)),
      field(t("state"), this.#choice("state", STATES)),
      field(t("sort"), this.#choice("sort", Object.keys(ORDERS))),
    );
  }

  /** True if anything is left out but by its state. */
  get any() {
    const { sort: _, ...filter } = this.values;
    return Object.values(filter).some(Boolean);
  }

  /** As the server takes them. */
  get asked() {
    const { state, sort: _, ...texts } = this.values;
    return { ...texts, state: state && `STATE_${state}` };
  }

  /** The order, as the server takes it; undefined for its own. */
  get orderBy() {
    return ORDERS[this.values.sort];
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

  #choice(key, values) {
    const options = values.map((value) =>
      h("option", { value, selected: value === this.values[key] }, t(value))
    );
    const onchange = () => {
      this.values[key] = node.value === values[0] ? undefined : node.value;
      this.#onchange();
    };
    const node = h("select", { onchange }, options);
    return node;
  }
}
