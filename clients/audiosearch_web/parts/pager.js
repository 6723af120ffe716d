/** The pages of a list: where one is, and a way there and back. */

import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { library as strings } from "../strings/library.js";

const t = words(strings);

export class Pager {
  #page;
  #tokens = new Map([[1, undefined]]);
  #size;
  #onturn;

  /**
   * `size` is how many are on a full page; `onturn()` hears that another page is to be shown.
   * `page` is the number of the first one that is.
   */
  constructor(size, label, onturn, page = 1) {
    this.#page = page;
    this.#size = size;
    this.#onturn = onturn;
    this.node = h("nav", { class: "pager", "aria-label": label });
  }

  /** The number of the page to show. */
  get page() {
    return this.#page;
  }

  /** Of the page to show, as the server gave it. */
  get token() {
    return this.#tokens.get(this.#page);
  }

  /** The number of entries before a page of which the token is not known; 0 where it is. */
  get unknown() {
    return this.#tokens.has(this.#page) ? 0 : (this.#page - 1) * this.#size;
  }

  /** Takes the token of the page to show; without one there is no such page. */
  learn(token) {
    if (token) this.#tokens.set(this.#page, token);
    else this.reset();
  }

  /** Begins at the first page again. */
  reset() {
    this.#page = 1;
    this.#tokens = new Map([[1, undefined]]);
  }

  /** Shows where one is: at `count` of the list; nothing where there is one page. */
  show(count, nextPageToken) {
    const page = this.#page;
    if (nextPageToken) this.#tokens.set(page + 1, nextPageToken);
    if (page === 1 && !nextPageToken) {
      this.node.replaceChildren();
      return;
    }
    const first = (page - 1) * this.#size + 1;
    this.node.replaceChildren(
      this.#way(t("previous"), page > 1, () => this.#page -= 1),
      h(
        "span",
        { class: "quiet" },
        t("range", { from: number(first), to: number(first + count - 1) }),
      ),
      this.#way(t("next"), nextPageToken, () => this.#page += 1),
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
