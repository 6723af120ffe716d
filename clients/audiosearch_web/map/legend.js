/** The legend of colours and shapes; unchecking one takes its points away. */

import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { colorName, shapeOf, SHAPES } from "./kinds.js";
import { words } from "../core/i18n.js";
import { strings } from "../strings/map.js";

const t = words(strings);
const COLUMNS = ["labels", "speakers"];

export class MapLegend {
  #entries = h("ul", { class: "map-kinds" });
  #hidden = new Set();
  #choice;

  /** `oncolumn(column)` hears of another colouring, `onfilter()` of what was checked. */
  constructor({ column, oncolumn, onfilter }) {
    this.onfilter = onfilter;
    const radio = (value) =>
      h(
        "label",
        { class: "segment" },
        h("input", {
          type: "radio",
          name: "map-column",
          value,
          checked: value === column,
          onchange: () => oncolumn(value),
        }),
        h("span", {}, t(value)),
      );
    this.#choice = h(
      "fieldset",
      { class: "segments" },
      h("legend", { class: "field-label" }, t("colourBy")),
      COLUMNS.map(radio),
    );
    this.node = h(
      "section",
      { class: "card map-legend", "aria-label": t("legend") },
      this.#choice,
      this.#entries,
    );
  }

  /** Shows entries of `kindsOf`; what was hidden is shown again. */
  show(entries) {
    this.#hidden.clear();
    this.#entries.replaceChildren(...entries.map((entry) => this.#entry(entry)));
  }

  /** True if points of a kind are to be seen. */
  shows(index) {
    return !this.#hidden.has(index);
  }

  #entry({ index, value, values, count, kind }) {
    const name = kind === "own" ? value : t(kind, { count: number(values ?? 0) });
    const box = h("input", {
      type: "checkbox",
      checked: true,
      onchange: () => this.#toggle(index, box.checked),
    });
    return h(
      "li",
      {},
      h(
        "label",
        { class: "map-kind" },
        box,
        mark(index),
        h("span", { class: "map-kind-name", title: name }, name),
        h("span", { class: "quiet" }, number(count)),
      ),
    );
  }

  #toggle(index, shown) {
    if (shown) this.#hidden.delete(index);
    else this.#hidden.add(index);
    this.onfilter();
  }
}

/** The colour and shape of a kind, as a point has them. */
export function mark(index) {
  const node = h("span", {
    class: `map-mark-kind ${SHAPES[shapeOf(index)]}`,
    "aria-hidden": "true",
  });
  node.style.background = `var(${colorName(index)})`;
  return node;
}
