/** The query in a library for vectors: one of its clips, chosen by name. */

import { api } from "../core/api.js";
import { afterPause, field, h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { idOf, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { address } from "../core/router.js";
import { chips } from "../parts/labels.js";
import { vectors } from "../strings/vectors.js";

const t = words(vectors);
const OFFERED = 12;

export class VectorBox {
  #library;
  #asking;
  #head = h("div", { class: "query-head" });
  #what = h("p", { class: "quiet" });
  #find = h("input", {
    type: "search",
    autocomplete: "off",
    maxLength: 255,
    oninput: afterPause(250, () => this.#offer()),
  });
  #offered = h("ul", { class: "query-names", "aria-label": t("some") });
  #below = h("div", { class: "slot" });

  constructor() {
    this.node = h(
      "section",
      { class: "card query vectors", "aria-label": t("query") },
      this.#head,
      this.#what,
      field(t("find"), this.#find),
      this.#offered,
      this.#below,
    );
  }

  /** Shows a source that is a clip of `library`, or null before there is one. */
  show(library, source) {
    this.#head.replaceChildren(
      h("div", { class: "query-mark small" }, icon("map")),
      h(
        "div",
        { class: "query-words" },
        h("h2", { class: "query-name", tabindex: "-1" }, source ? source.name : t("choose")),
        ...chips(source?.clip ?? {}).filter(Boolean),
      ),
    );
    if (library === this.#library) return;
    this.#library = library;
    const { model, dimension } = library;
    this.#what.textContent = t("what", { model: idOf(model), dimension: number(dimension) });
    this.#find.value = "";
    this.#offer();
  }

  leave() {
    this.#asking?.abort();
  }

  /** Lists clips whose names begin as it is typed, the first ones of the library before that. */
  async #offer() {
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    const typed = this.#find.value.trim();
    try {
      const { clips = [] } = await api.clips(this.#library.name, {
        filter: { displayNamePrefix: typed || undefined },
        pageSize: OFFERED,
        signal,
      });
      this.#offered.replaceChildren(...clips.map((clip) => h("li", {}, linkTo(clip))));
      const none = h("p", { class: "quiet", role: "status" }, t(typed ? "noSuch" : "noClips"));
      this.#below.replaceChildren(...(clips.length ? [] : [none]));
    } catch (error) {
      if (!signal.aborted) this.#below.replaceChildren(failureBox(error, () => this.#offer()));
    }
  }
}

function linkTo(clip) {
  const [, library] = clip.name.split("/");
  const href = address("search", { library, clip: idOf(clip.name) });
  return h("a", { class: "button small", href }, clip.displayName || idOf(clip.name));
}
