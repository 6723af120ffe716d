/** A library of before there were windows: it is brought up to date while it is searched. */

import { api } from "../core/api.js";
import { h, icon } from "../core/dom.js";
import { inWords, said } from "../core/failure.js";
import { idOf, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { library as strings } from "../strings/library.js";
import { announce, toast } from "../parts/toast.js";
import { holdsVectors } from "../parts/vectors.js";
import { LibraryWatch } from "./library_watch.js";

const t = words(strings);

export class MigrationCard {
  #library;
  #onchange;
  #watch;
  #bar = h("progress", { max: 1, value: 0, "aria-label": t("migrationProgress") });
  #counts = h("p", { class: "import-counts" });
  #failures = h("details", { class: "import-failures", hidden: true });
  #button = h(
    "button",
    { type: "button", class: "button small", onclick: () => this.#begin() },
    icon("again"),
    t("migrate"),
  );
  #offer = h(
    "div",
    {},
    h("h2", {}, t("madeBefore")),
    h("p", { class: "quiet" }, t("madeBeforeMore")),
    this.#button,
  );
  #progress = h(
    "div",
    {},
    h("h2", {}, t("migrating")),
    this.#bar,
    this.#counts,
    h("p", { class: "quiet" }, t("migratingMore")),
    this.#failures,
  );

  /** `onchange(library)` hears of the library as it is now. */
  constructor(library, onchange) {
    this.#onchange = onchange;
    this.#watch = new LibraryWatch(onchange);
    this.node = h("section", { class: "card import-card", "aria-label": t("migration") });
    this.tell(library);
  }

  leave() {
    this.#watch.leave();
  }

  /** Shows the library as it is now. */
  tell(library) {
    const ended = this.#library?.migration && !library.migration;
    const upToDate = library.windowRule || holdsVectors(library);
    const shown = library.migration ? this.#progress : upToDate ? null : this.#offer;
    this.#library = library;
    this.node.hidden = !shown;
    if (shown && !shown.isConnected) this.node.replaceChildren(shown);
    if (library.migration) this.#draw(library.migration);
    if (ended) {
      toast(t("migrated"));
      announce(t("migrated"));
    }
    if (library.migration) this.#watch.lookAt(library.name);
  }

  #draw({ clipCount, doneCount, failedCount, failures }) {
    const total = Number(clipCount ?? 0);
    const done = Math.min(Number(doneCount ?? 0), total);
    if (total) this.#bar.value = done / total;
    else this.#bar.removeAttribute("value");
    const parts = [t("doneOf", { done: number(done), total: number(total) })];
    const failed = Number(failedCount ?? 0);
    if (failed) parts.push(t("failedCount", { count: number(failed) }));
    this.#counts.textContent = parts.join(" · ");
    this.#failures.hidden = !failures?.length;
    if (this.#failures.hidden || this.#failures.dataset.shown === String(failures.length)) return;
    this.#failures.dataset.shown = String(failures.length);
    const rows = failures.map(({ clip, reason, message }) =>
      h("li", {}, h("strong", {}, idOf(clip)), h("span", {}, inWords(reason, message)))
    );
    this.#failures.replaceChildren(
      h("summary", {}, t("leftOut")),
      h("ul", { tabindex: "0" }, rows),
    );
  }

  async #begin() {
    this.#button.disabled = true;
    try {
      this.#onchange(await api.migrateLibrary(this.#library.name));
    } catch (error) {
      toast(said(error), { kind: "error" });
    } finally {
      this.#button.disabled = false;
    }
  }
}
