/** A box where a sound is dropped, chosen or recorded; then its waveform. */

import { ACCEPT } from "./sounds.js";
import { h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { length } from "../core/format.js";
import { words } from "../core/i18n.js";
import { record } from "./recorder.js";
import { silence } from "./one_at_a_time.js";
import { Sound } from "./sound.js";
import { Stretch } from "./stretch.js";
import { chips } from "./labels.js";
import { search } from "../strings/search.js";
import { announce } from "./toast.js";

const BARS = 40;
const QUIET_SECONDS = 3;
const QUIET = 0.12;

export class SoundBox {
  #sound = null;
  #stretch = null;
  #stopRecording = null;
  #t;
  #mark;
  #options;
  #many;
  #onfiles;
  #onlink;

  /**
   * `onfiles(files)` hears of sounds, `{blob, name}` each: of one, or with `many` of some. One of
   * the microphone is `recorded`.
   * `onlink()` hears that a link is wanted, which is offered only then. `t` gives the words of
   * strings/search.js, or others for the same keys. `mark` is the icon of the empty place, and
   * `options` is a node below what can be done there.
   */
  constructor({ onfiles, onlink, many = false, mark = "wave", t = words(search), options }) {
    this.#onfiles = onfiles;
    this.#onlink = onlink;
    this.#many = many;
    this.#mark = mark;
    this.#options = options;
    this.#t = t;
    this.node = h("section", { class: "card query", "aria-label": t("query") });
  }

  get sound() {
    return this.#sound;
  }

  /**
   * Shows a source, or the empty place for null. With `onstretch(chosen)` a stretch of it can be
   * chosen; `chosen` is the one that is, `{from, to}`.
   */
  show(source, { chosen, onstretch } = {}) {
    this.leave();
    const filled = () => this.#filled(source, onstretch && { chosen, onstretch });
    this.node.replaceChildren(...(source ? filled() : this.#empty()));
    this.node.classList.toggle("waiting", !source);
  }

  /** Takes the length of the sound from somebody who knows it better than the browser. */
  set whole(seconds) {
    if (this.#stretch) this.#stretch.whole = seconds;
  }

  leave() {
    this.#stretch = null;
    this.#stopRecording?.();
    this.#stopRecording = null;
    this.#sound?.destroy();
    this.#sound = null;
  }

  #empty() {
    return [
      h("div", { class: "query-mark" }, icon(this.#mark)),
      h(
        "p",
        { class: "query-call" },
        this.#t(matchMedia("(pointer: coarse)").matches ? "chooseHere" : "dropHere"),
      ),
      h("div", { class: "query-ways" }, this.#choose("primary"), this.#record()),
      h("p", { class: "quiet" }, this.#t("kinds")),
      this.#options,
    ].filter(Boolean);
  }

  #filled(source, choosing) {
    this.#sound = new Sound(source, {
      height: 64,
      wide: true,
      from: choosing?.chosen.from,
      onlength: (seconds) => {
        this.whole = seconds;
      },
    });
    if (choosing) {
      this.#stretch = new Stretch(this.#sound, choosing.chosen, (chosen) => {
        this.#sound.begin(chosen.from);
        choosing.onstretch(chosen);
      });
      this.#stretch.whole = source.seconds;
    }
    this.#sound.button.classList.add("large");
    return [
      h(
        "div",
        { class: "query-head" },
        this.#sound.button,
        h(
          "div",
          { class: "query-words" },
          h("h2", { class: "query-name", tabindex: "-1", title: source.name }, source.name),
          chips(source.clip ?? {}),
          this.#sound.time,
        ),
      ),
      this.#stretch?.node,
      h(
        "div",
        { class: "query-ways start" },
        this.#choose("small"),
        this.#record("small"),
        this.#link(),
      ),
      this.#sound.wave,
    ].filter(Boolean);
  }

  #link() {
    if (!this.#onlink) return null;
    return h(
      "button",
      { type: "button", class: "button small", onclick: () => this.#onlink() },
      icon("link"),
      this.#t("copyLink"),
    );
  }

  #choose(kind) {
    const input = h("input", {
      type: "file",
      accept: ACCEPT,
      multiple: this.#many,
      hidden: true,
      onchange: () => {
        const files = [...input.files].map((file) => ({ blob: file, name: file.name }));
        input.value = "";
        if (files.length) this.#onfiles(files);
      },
    });
    return [
      input,
      h(
        "button",
        { type: "button", class: `button ${kind}`, onclick: () => input.click() },
        icon("file"),
        this.#t(kind === "primary" ? "choose" : "chooseOther"),
      ),
    ];
  }

  #record(kind = "") {
    return h(
      "button",
      { type: "button", class: `button ${kind}`, onclick: () => this.#startRecording() },
      icon("mic"),
      this.#t("record"),
    );
  }

  async #startRecording() {
    silence();
    try {
      const recording = await record((blob) => this.#recorded(blob));
      this.leave();
      this.#showRecording(recording);
    } catch (error) {
      this.node.querySelector(".failure")?.remove();
      this.node.append(failureBox(error));
    }
  }

  #recorded(blob) {
    this.#stopRecording = null;
    announce(this.#t("recorded"));
    const name = `${this.#t("recording")} ${new Date().toLocaleTimeString()}`;
    this.#onfiles([{ blob, name, recorded: true }]);
  }

  #showRecording(recording) {
    const bars = Array.from({ length: BARS }, () => h("span"));
    const clock = h("span", { class: "query-clock" }, "0.0 s");
    const hint = h("p", { class: "quiet", role: "status" }, this.#t("listening"));
    const stop = h(
      "button",
      { type: "button", class: "button primary", onclick: () => recording.stop() },
      icon("stop"),
      this.#t("stop"),
    );
    const cancel = h(
      "button",
      { type: "button", class: "button", onclick: () => (recording.cancel(), this.show(null)) },
      this.#t("cancel"),
    );
    this.node.classList.add("waiting");
    this.node.replaceChildren(
      h("div", { class: "levels", "aria-hidden": "true" }, bars),
      clock,
      h("div", { class: "query-ways" }, stop, cancel),
      hint,
    );
    stop.focus();
    const timer = showLevels(recording, bars, clock, hint, this.#t);
    this.#stopRecording = () => {
      clearInterval(timer);
      recording.cancel();
    };
  }
}

/** Moves the levels through the bars, ten a second, and says so when nothing is heard. */
function showLevels(recording, bars, clock, hint, t) {
  const begun = performance.now();
  const levels = bars.map(() => 0);
  let heard = begun;
  return setInterval(() => {
    const now = performance.now();
    const level = recording.level();
    if (level > QUIET) heard = now;
    levels.push(level);
    levels.shift();
    bars.forEach((bar, place) => {
      bar.style.transform = `scaleY(${Math.max(levels[place], 0.04)})`;
    });
    clock.textContent = length((now - begun) / 1000);
    const said = t(now - heard > QUIET_SECONDS * 1000 ? "nothingHeard" : "listening");
    if (hint.textContent !== said) hint.textContent = said;
  }, 100);
}
