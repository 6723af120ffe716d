/** Points as a list: what keyboards and screen readers have in place of the picture. */

import { h, iconButton } from "../core/dom.js";
import { mark } from "./legend.js";
import { words } from "../core/i18n.js";
import { strings } from "../strings/map.js";

const t = words(strings);

export class MapList {
  #title = h("h2", {});
  #rows = h("ul", { class: "map-rows" });

  /** `on`: `choose(row)`, `hear(row)`, `search(row)`. */
  constructor(on) {
    this.on = on;
    this.node = h(
      "section",
      { class: "card map-list", "aria-labelledby": "map-list-title" },
      this.#title,
      this.#rows,
    );
    this.#title.id = "map-list-title";
  }

  /**
   * Shows rows of `points` below a title; `chosen` stands out, `playing` is the clip heard.
   * `silent` ones can't be heard.
   */
  show({ title, rows, points, of, chosen, playing, silent }) {
    this.#title.textContent = title;
    const focused = document.activeElement?.dataset?.map;
    this.#rows.replaceChildren(
      ...rows.map((row) => this.#row(row, points, { of, chosen, playing, silent })),
    );
    if (focused && !document.activeElement?.dataset?.map) this.#focus(focused);
  }

  #focus(key) {
    const [what] = key.split(" ");
    const found = this.#rows.querySelector(`[data-map="${CSS.escape(key)}"]`) ??
      this.#rows.querySelector(`[data-map^="${what}"]`);
    found?.focus({ preventScroll: true });
  }

  #row(row, points, { of, chosen, playing, silent }) {
    const name = points.names[row];
    const clip = points.clips[row];
    const more = [points.labels[row], points.speakers[row], points.lengths[row]].filter(
      Boolean,
    ).join(" · ");
    const heard = playing === clip;
    return h(
      "li",
      { class: row === chosen ? "map-row chosen" : "map-row" },
      h(
        "button",
        {
          type: "button",
          class: "map-choose",
          "data-map": `choose ${clip}`,
          "aria-current": row === chosen ? "true" : undefined,
          onclick: () => this.on.choose(row),
        },
        mark(of[row]),
        h(
          "span",
          { class: "map-names" },
          h("span", { class: "map-name" }, name),
          h("span", { class: "quiet" }, more),
        ),
      ),
      !silent && iconButton(
        heard ? "stop" : "play",
        t(heard ? "stop" : "hear", { name }),
        () => this.on.hear(row),
        { "data-map": `hear ${clip}` },
      ),
      iconButton("search", t("searchWith", { name }), () => this.on.search(row), {
        "data-map": `search ${clip}`,
      }),
    );
  }
}
