/** The index of a library while it lacks vectors: how many are there already. */

import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { library as strings } from "../strings/library.js";
import { announce } from "../parts/toast.js";
import { LibraryWatch } from "./library_watch.js";

const t = words(strings);

export class IndexCard {
  #library;
  #watch;
  #bar = h("progress", { max: 1, value: 0, "aria-label": t("fillingProgress") });
  #counts = h("p", { class: "import-counts" });

  /** `onchange(library)` hears of the library as it is now. */
  constructor(library, onchange) {
    this.#watch = new LibraryWatch(onchange);
    this.node = h(
      "section",
      { class: "card import-card", "aria-labelledby": "filling" },
      h("h2", { id: "filling" }, t("filling")),
      this.#bar,
      this.#counts,
      h("p", { class: "quiet" }, t("fillingMore")),
    );
    this.tell(library);
  }

  leave() {
    this.#watch.leave();
  }

  /** Shows the library as it is now. */
  tell(library) {
    if (this.#library?.indexState && !library.indexState) announce(t("filled"));
    this.#library = library;
    this.node.hidden = !library.indexState;
    if (!library.indexState) return;
    const there = Number(library.indexState.indexedCount ?? 0);
    const all = Number(library.indexState.expectedCount ?? 0);
    this.#bar.value = all ? there / all : 0;
    this.#counts.textContent = t("vectorsOf", { there: number(there), all: number(all) });
    this.#watch.lookAt(library.name);
  }
}
