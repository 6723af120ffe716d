/** Plays a clip while the pointer is on it. */

import { claim } from "../parts/one_at_a_time.js";
import { clipSource } from "../parts/sources.js";

const DELAY_MS = 220;

export class Preview {
  #timer;
  #media = new Audio();
  #url;
  #turn = 0;
  #ending = new AbortController();
  #stop = () => this.stop();

  /**
   * `onblocked()` is called when the browser wants a click first; `onfail(error)` when there is
   * nothing to hear.
   */
  constructor({ onplay, onblocked, onfail }) {
    Object.assign(this, { onplay, onblocked, onfail });
    for (const event of ["ended", "pause", "playing"]) {
      this.#media.addEventListener(event, () => onplay(this.playing));
    }
  }

  /** Name of the clip that plays now. */
  get playing() {
    return this.#media.paused ? undefined : this.clip;
  }

  /** Plays after a moment, unless something else is asked for before. */
  soon(clip) {
    this.stop();
    this.#timer = setTimeout(() => this.play(clip), DELAY_MS);
  }

  async play(clip) {
    this.stop();
    const mine = (this.#turn += 1);
    this.clip = clip;
    claim(this.#stop);
    try {
      const blob = await clipSource({ name: clip }).blob(this.#ending.signal);
      if (mine !== this.#turn) return;
      if (this.#url) URL.revokeObjectURL(this.#url);
      this.#url = URL.createObjectURL(blob);
      this.#media.src = this.#url;
      await this.#media.play();
    } catch (error) {
      if (mine !== this.#turn || error.name === "AbortError") return;
      if (error.name === "NotAllowedError") this.onblocked();
      else this.onfail(error);
    }
  }

  stop() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    this.#media.pause();
  }

  leave() {
    this.stop();
    this.#ending.abort();
    if (this.#url) URL.revokeObjectURL(this.#url);
  }
}
