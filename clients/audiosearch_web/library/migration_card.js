/** The migration of a library: offered if it needs one, followed, and looked at before a switch. */

import { api } from "../core/api.js";
import { h, icon } from "../core/dom.js";
import { inWords, said } from "../core/failure.js";
import { idOf, number, percent } from "../core/format.js";
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
    { type: "button", class: "button small", onclick: () => this.#begin(this.#button) },
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

  #review = h("div", {});

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
    const last = this.#library?.migration;
    const upToDate = library.windowRule || holdsVectors(library);
    const waits = library.migration?.review && library.migration.comparison;
    const kept = waits && library.migration.kept;
    const ended = last && !(last.kept && last.review) && (!library.migration || kept);
    const going = waits ? this.#review : this.#progress;
    const shown = library.migration ? going : upToDate ? null : this.#offer;
    const before = this.#library;
    this.#library = library;
    this.node.hidden = !shown;
    if (kept) this.#tellKept(library);
    else if (waits && !before?.migration?.comparison) this.#tellReview(library);
    if (shown && !shown.isConnected) this.node.replaceChildren(shown);
    if (library.migration) this.#draw(library.migration);
    if (ended) {
      toast(t("migrated"));
      announce(t("migrated"));
    }
    if (library.migration && !kept) this.#watch.lookAt(library.name);
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

  /** The difference that the switch would make, and both ways on. */
  #tellReview({ model, migration }) {
    const { comparison } = migration;
    delete this.#review.dataset.kept;
    const rates = comparison.labelledBy &&
      t("reviewRates", {
        field: t(comparison.labelledBy).toLowerCase(),
        present: percent(comparison.presentEer),
        coming: percent(comparison.comingEer),
      });
    this.#review.replaceChildren(
      h("h2", {}, t("review", { model: idOf(migration.model || model) })),
      h(
        "p",
        {},
        t("reviewSame", {
          overlap: percent(comparison.overlap),
          count: number(Number(comparison.sameNearestCount ?? 0)),
          total: number(Number(comparison.sampleCount ?? 0)),
        }),
      ),
      rates ? h("p", {}, rates) : "",
      h("p", { class: "quiet" }, t("reviewMore")),
      h(
        "div",
        { class: "clip-actions" },
        this.#way(t("switchNow"), {}),
        migration.model ? this.#way(t("keepModel", { model: idOf(model) }), { model }) : "",
      ),
      migration.model ? h("p", { class: "quiet" }, t("keepModelMore")) : "",
    );
  }

  /** The model before, whose index is kept, and both ways to end that. */
  #tellKept({ migration }) {
    const model = idOf(migration.model);
    if (this.#review.dataset.kept === model && this.#review.isConnected) return;
    this.#review.dataset.kept = model;
    this.#review.replaceChildren(
      h("h2", {}, t("kept", { model })),
      h("p", { class: "quiet" }, t("keptMore")),
      h(
        "div",
        { class: "clip-actions" },
        this.#way(t("goBack", { model }), { model: migration.model }),
        this.#way(t("forget"), { forget: true }),
      ),
    );
  }

  #way(text, wanted) {
    const button = h(
      "button",
      { type: "button", class: "button small", onclick: () => this.#begin(button, wanted) },
      text,
    );
    return button;
  }

  async #begin(button, wanted = {}) {
    button.disabled = true;
    try {
      this.#onchange(await api.migrateLibrary(this.#library.name, wanted));
    } catch (error) {
      toast(said(error), { kind: "error" });
    } finally {
      button.disabled = false;
    }
  }
}
