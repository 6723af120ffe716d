/** The progress of an import. */

import { h, icon } from "../core/dom.js";
import { failureBox, inWords, said } from "../core/failure.js";
import { number, size, timeLeft } from "../core/format.js";
import { words } from "../core/i18n.js";
import { isOver } from "./imports.js";
import { library as strings } from "../strings/library.js";
import { toast } from "../parts/toast.js";

const t = words(strings);
const DRAW_MS = 150;
const MOST_LISTED = 20;
const NAMED_KINDS = ["hidden", "link", "unreadable", "other"];
const kindInWords = (kind) => NAMED_KINDS.includes(kind) ? t(`kind_${kind}`) : kind;

export class ImportCard {
  told = false;
  #work;
  #title = h("h2", {});
  #buttons = h("div", { class: "ways" });
  #bar = h("progress", { max: 1, value: 0, "aria-label": t("progress") });
  #counts = h("p", { class: "import-counts" });
  #notes = h("div", { class: "import-notes quiet" });
  #failures = h("details", { class: "import-failures", hidden: true });
  #remarks = h("details", { class: "import-remarks", hidden: true });
  #duplicates = h("details", { class: "import-remarks", hidden: true });
  #drawn = "";
  #timer = null;

  constructor(work, { onclose }) {
    this.#work = work;
    this.onclose = onclose;
    this.node = h(
      "div",
      { class: "card import-card" },
      h("div", { class: "row-between" }, this.#title, this.#buttons),
      this.#bar,
      this.#counts,
      this.#notes,
      this.#failures,
      this.#remarks,
      this.#duplicates,
    );
  }

  /** Draws it soon: files may be done faster than anybody can read. */
  draw() {
    if (isOver(this.#work)) this.#now();
    else this.#timer ??= setTimeout(() => this.#now(), DRAW_MS);
  }

  #now() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const { state } = this.#work;
    this.#title.textContent = t(`status_${state.status}`, state);
    if (state.total) this.#bar.value = state.done / state.total;
    else this.#bar.removeAttribute("value");
    if (isOver(this.#work) && !state.total) this.#bar.value = 1;
    this.#counts.textContent = this.#inWords(state);
    this.#showNotes(state);
    this.#showButtons(state);
    this.#showFailures(state);
    showTold(this.#remarks, t("showRemarks"), state.remarks);
    const same = state.duplicates?.map(({ path, of }) => ({ path, message: t("sameAs", { of }) }));
    showTold(this.#duplicates, t("showDuplicates"), same);
  }

  #inWords(state) {
    const parts = [
      t("doneOf", { done: number(state.done ?? 0), total: number(state.total ?? 0) }),
      t("imported", { count: number(state.imported ?? 0) }),
    ];
    if (state.existing) parts.push(t("existing", { count: number(state.existing) }));
    if (state.failed) parts.push(t("failedCount", { count: number(state.failed) }));
    const rate = this.#work.rate();
    if (rate && !isOver(this.#work)) {
      parts.push(
        t("rate", { rate: number(rate, rate < 10 ? 1 : 0) }),
        t("left", { time: timeLeft((state.total - state.done) / rate) }),
      );
    }
    if (state.bytes) parts.push(size(state.bytes));
    return parts.join(" · ");
  }

  #showNotes(state) {
    const notes = [];
    if (state.folder) notes.push(h("p", {}, icon("folder"), " ", state.folder));
    const passedOver = Object.entries(state.passedOver)
      .sort(([kind, some], [other, more]) => more - some || kind.localeCompare(other));
    if (passedOver.length) {
      const count = passedOver.reduce((sum, [, some]) => sum + some, 0);
      const kinds = passedOver.map(([kind, some]) => `${number(some)} ${kindInWords(kind)}`);
      notes.push(h("p", {}, t("passedOver", { count, kinds: kinds.join(", ") })));
    }
    if (state.waiting) {
      notes.push(h("p", { class: "import-waiting" }, t("waiting"), " ", said(state.waiting)));
    }
    if (state.error) notes.push(failureBox(state.error));
    const text = notes.map((note) => note.textContent).join("\n");
    if (text === this.#notes.textContent && text === this.#drawn) return;
    this.#drawn = text;
    this.#notes.replaceChildren(...notes);
  }

  #showButtons(state) {
    const wanted = [];
    const work = this.#work;
    if (state.status === "running" && work.pause) {
      wanted.push(["pause", t("pause"), () => work.pause()]);
    }
    if (state.status === "paused") wanted.push(["play", t("resume"), () => work.resume()]);
    if (!isOver(work)) {
      wanted.push([
        "close",
        t(state.cancelling ? "cancelling" : "cancelImport"),
        () => this.#cancel(),
        state.cancelling,
      ]);
    }
    if (state.status === "done" && state.failed && work.retry) {
      wanted.push(["again", t("retry"), () => work.retry()]);
    }
    if (isOver(work)) wanted.push(["check", t("closeCard"), () => this.onclose()]);
    const key = wanted.map(([, label]) => label).join();
    if (this.#buttons.dataset.shown === key) return;
    const focused = this.#buttons.contains(document.activeElement);
    this.#buttons.dataset.shown = key;
    this.#buttons.replaceChildren(
      ...wanted.map(([name, label, run, disabled]) =>
        h(
          "button",
          { type: "button", class: "button small", onclick: run, disabled },
          icon(name),
          label,
        )
      ),
    );
    if (focused) this.#buttons.querySelector("button:not(:disabled)")?.focus();
  }

  async #cancel() {
    try {
      await this.#work.cancel();
    } catch (error) {
      toast(said(error), { kind: "error" });
    }
  }

  #showFailures({ failures, failed = 0 }) {
    this.#failures.hidden = !failures?.length;
    if (this.#failures.hidden || this.#failures.dataset.shown === String(failures.length)) return;
    this.#failures.dataset.shown = String(failures.length);
    const rows = failures.map(({ path, reason, message }) =>
      h("li", {}, h("strong", {}, path || "–"), h("span", {}, inWords(reason, message)))
    );
    const more = failed > failures.length &&
      h("p", { class: "quiet" }, t("moreFailed", { count: number(failed - failures.length) }));
    this.#failures.replaceChildren(
      ...[h("summary", {}, t("showFailed")), h("ul", { tabindex: "0" }, rows), more].filter(
        Boolean,
      ),
    );
    this.#failures.open = true;
  }
}

/** Lists files of which something is to be told, `{path, message}`; it is open at first. */
function showTold(node, title, told = []) {
  const shown = JSON.stringify(told);
  node.hidden = !told.length;
  if (!told.length || node.dataset.shown === shown) return;
  node.open ||= !node.dataset.shown;
  node.dataset.shown = shown;
  node.replaceChildren(h("summary", {}, title), h("ul", { tabindex: "0" }, gathered(told)));
}

/** A row for each message: the same one of many files is told once, with the files below it. */
function gathered(told) {
  const files = new Map();
  for (const { path, message } of told) {
    files.set(message, [...files.get(message) ?? [], path]);
  }
  return [...files].map(([message, paths]) => {
    const [first, ...others] = paths;
    if (!others.length) return h("li", {}, h("strong", {}, first), h("span", {}, message));
    const head = h("strong", {}, t("filesOf", { count: number(paths.length) }));
    return h("li", {}, head, h("span", {}, message), h("span", { class: "quiet" }, listed(paths)));
  });
}

const listed = (paths) =>
  paths.length <= MOST_LISTED
    ? paths.join(", ")
    : t("andMore", { files: paths.slice(0, MOST_LISTED).join(", ") });
