/** Looks at a library again and again while work goes on in it. */

import { api } from "../core/api.js";

const POLL_MS = 1500;

export class LibraryWatch {
  #name;
  #onchange;
  #timer = null;
  #left = false;

  /** `onchange(library)` hears of the library as it is at the next look. */
  constructor(onchange) {
    this.#onchange = onchange;
  }

  /** Looks once, in a while. */
  lookAt(name) {
    this.#name = name;
    if (!this.#left && this.#timer === null) this.#wait(POLL_MS);
  }

  leave() {
    this.#left = true;
    clearTimeout(this.#timer);
  }

  #wait(time) {
    this.#timer = setTimeout(() => this.#look(), time);
  }

  async #look() {
    try {
      const now = await api.library(this.#name);
      if (this.#left) return;
      this.#timer = null;
      this.#onchange(now);
    } catch {
      if (!this.#left) this.#wait(4 * POLL_MS);
    }
  }
}
