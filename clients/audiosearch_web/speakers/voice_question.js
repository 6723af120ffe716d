/** A question about a voice: a sound in, the answer below it. */

import { h } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { remarksOf } from "../parts/remarks.js";
import { SoundBox } from "../parts/sound_box.js";
import { fileSource } from "../parts/sources.js";
import { announce } from "../parts/toast.js";

/** The last question: it outlives its page, and coming back asks it again. */
const last = { key: null, source: null, channel: 0 };

export class VoiceQuestion {
  #key;
  #ask;
  #draw;
  #t;
  #box;
  #asking = null;
  #onsource;

  /**
   * `key` tells questions apart. `ask({clip, audio, signal})` asks the server, and
   * `draw(answer, source, channel)` gives `{node, aloud}`. `t` has the words of the box and
   * `asking`. `onsource(source)` hears of another sound.
   */
  constructor({ key, ask, draw, t, mark, onsource = () => {} }) {
    this.#key = key;
    this.#ask = ask;
    this.#draw = draw;
    this.#t = t;
    this.#onsource = onsource;
    this.#box = new SoundBox({ t, mark, onfiles: (files) => this.take(files) });
    this.answer = h("div", { class: "answer slot" });
    this.node = h("div", { class: "question" }, this.#box.node, this.answer);
    if (last.key === key) this.ask(last.source, last.channel);
    else this.#box.show(null);
  }

  get sound() {
    return this.#box.sound;
  }

  leave() {
    this.#asking?.abort();
    this.#box.leave();
  }

  /** Asks with the first of some files, `{blob, name}`. */
  take([{ blob, name }]) {
    const source = fileSource(blob, name);
    this.#onsource(source);
    return this.ask(source);
  }

  /** Asks with a source of sources.js, or with one channel of it; 0 for all. */
  async ask(source, channel = 0) {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    Object.assign(last, { key: this.#key, source, channel });
    this.#box.show(source);
    this.answer.replaceChildren(h("p", { class: "quiet" }, this.#t("asking")));
    this.answer.setAttribute("aria-busy", "true");
    try {
      const answer = await this.#ask({
        clip: source.clip?.name,
        audio: source.file,
        channel: channel || undefined,
        signal,
      });
      if (signal.aborted) return;
      this.#show(this.#draw(answer, source, channel));
      this.answer.append(
        ...remarksOf(answer.audio, channel, (other) => this.ask(source, other)),
      );
    } catch (error) {
      if (signal.aborted) return;
      this.answer.replaceChildren(failureBox(error, () => this.ask(source, channel)));
    }
    if (!signal.aborted) this.answer.setAttribute("aria-busy", "false");
  }

  #show({ node, aloud }) {
    this.answer.replaceChildren(node);
    announce(aloud);
  }

  /** True if a source is what was asked with. */
  isAbout(key) {
    return last.key === this.#key && last.source?.key === key;
  }
}
