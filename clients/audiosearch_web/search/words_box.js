/** A field of words beside the sound: it finds clips by their tags and names. */

import { h, icon } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { search } from "../strings/search.js";

const t = words(search);

export class WordsBox {
  #input = h("input", {
    type: "search",
    maxLength: 255,
    placeholder: t("wordsSuch"),
    "aria-label": t("wordsAsk"),
  });

  /** `onask(words)` hears of a question that is not empty. */
  constructor(onask) {
    this.node = h(
      "form",
      {
        class: "words-box",
        role: "search",
        onsubmit: (event) => {
          event.preventDefault();
          const asked = this.#input.value.trim();
          if (asked) onask(asked);
        },
      },
      h("span", { class: "quiet" }, t("wordsOr")),
      this.#input,
      h("button", { class: "button" }, icon("search"), t("wordsFind")),
    );
  }

  set value(value) {
    this.#input.value = value;
  }
}
