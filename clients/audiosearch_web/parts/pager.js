/** The pages of a list: where one is, and a way there and back. */

import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { library as strings } from "../strings/library.js";

const t = words(strings);

export class Pager {
  #tokens = [undefined];
  #size;
  #onturn;

  /** `size` is how many are on a full page; `onturn()` hears that another page is to be shown. */
  constructor(size, label, onturn) {
    this.#size = size;
    this.#onturn = onturn;
    this.node = h("nav", { class: "pager", "aria-label": label });
  }

  /** Of the page to show, as the server gave it. */
  get token() {
    return this.#tokens.at(-1);
  }

  /** Begins at the first page again. */
  reset() {
    this.#tokens = [undefined];
  }

  /** Shows where one is: at `count` of the list; nothing where there is one page. */
  show(count, nextPageToken) {
    const page = this.#tokens.length;
    if (page === 1 && !nextPageToken) {
      this.node.replaceChildren();
      return;
    }
    const first = (page - 1) * this.#size + 1;
    this.node.replaceChildren(
      this.#way(t("previous"), page > 1, () => this.#tokens.pop()),
      h(
        "span",
        { class: "quiet" },
        t("range", { from: number(first), to: number(first + count - 1) }),
      ),
      this.#way(t("next"), nextPageToken, () => this.#tokens.push(nextPageToken)),
    );
  }

  #way(label, open, step) {
    const turn = () => (step(), this.#onturn());
    return h(
      "button",
      { type: "button", class: "button small", disabled: !open, onclick: turn },
      label,
    );
  }
}
