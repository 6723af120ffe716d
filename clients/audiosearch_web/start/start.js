/** The place where there is no library yet: two ways to the first result, and drops are taken. */

import { filesBelow, takeDrops } from "../parts/drops.js";
import { exampleQuery, fillExamples } from "./examples.js";
import { h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { keepFiles, keepQuery } from "./handover.js";
import { words } from "../core/i18n.js";
import { makeLibrary } from "./make_library.js";
import { SOUNDS } from "../parts/purpose.js";
import { go } from "../core/router.js";
import { isSound } from "../parts/sounds.js";
import { fileSource } from "../parts/sources.js";
import { start } from "../strings/start.js";
import { toast } from "../parts/toast.js";

const t = words(start);
const LOOKED_AT = 50;

export class Start {
  #query = null;
  #purpose;
  #endDrops;
  #left = false;

  /** `purpose` is the one that a library is most likely for. */
  constructor(purpose = SOUNDS) {
    this.#purpose = purpose;
    this.node = h("section", { class: "empty start", "aria-label": t("title") });
    this.#endDrops = takeDrops(t("drop"), (entries) => this.#dropped(entries));
    this.#show();
  }

  leave() {
    this.#left = true;
    this.#endDrops();
  }

  #show() {
    const named = this.#query && { name: this.#query.name };
    this.node.replaceChildren(
      icon(named ? "wave" : "library"),
      h("h2", { tabindex: "-1" }, named ? t("queryTitle", named) : t("title")),
      h("p", {}, t(named ? "queryMore" : "more")),
      h(
        "div",
        { class: "query-ways" },
        button("primary", "play", t(named ? "queryExamples" : "examples"), () => this.#examples()),
        button("", "plus", t(named ? "queryOwn" : "make"), () => this.make()),
      ),
      h("p", { class: "quiet" }, apiLink()),
    );
  }

  /** Asks for a library, and goes there: with `files` to import, called `name` to begin with. */
  async make(files = [], name = "") {
    const library = await makeLibrary(this.#purpose, name);
    if (!library) return;
    if (files.length) keepFiles(library, files);
    if (this.#query) {
      keepQuery(this.#query);
      toast(t("queryKept", { name: this.#query.name }));
    }
    go("library", { library });
  }

  async #examples() {
    const told = h("p", { role: "status" });
    const progress = h("progress", { max: 1, value: 0, "aria-label": t("library") });
    this.node.replaceChildren(icon("library"), told, progress);
    try {
      const library = await fillExamples(({ done, total }) => {
        told.textContent = t("filling", { done, total });
        progress.value = done / total;
      });
      if (this.#left) return;
      keepQuery(this.#query ?? await exampleQuery());
      go("search", { library });
    } catch (error) {
      this.#show();
      this.node.append(failureBox(error, () => this.#examples()));
    }
  }

  /** One sound is searched with; more are to be a library. */
  async #dropped(entries) {
    const found = [], sounds = [];
    for await (const file of filesBelow(entries)) {
      found.push(file);
      if (sounds.length < 2 && found.length <= LOOKED_AT && await isSound(file)) sounds.push(file);
    }
    if (this.#left) return;
    if (!sounds.length && found.length <= LOOKED_AT) toast(t("noSound"), { kind: "error" });
    else if (sounds.length === 1) {
      this.#query = fileSource(await sounds[0].file(), sounds[0].name);
      this.#show();
      this.node.querySelector("h2").focus();
    } else await this.make(found, entries.find(({ isDirectory }) => isDirectory)?.name);
  }
}

const button = (kind, mark, label, onclick) =>
  h("button", { type: "button", class: `button ${kind}`, onclick }, icon(mark), label);

/** A link to the documentation of the API. */
export const apiLink = () => h("a", { href: "/docs" }, t("api"));
