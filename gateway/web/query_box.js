/** What is searched with: a place to drop, choose or record it, then its waveform. */

import { ACCEPT } from "./drops.js";
import { h, icon } from "./dom.js";
import { failureBox } from "./failure.js";
import { length } from "./format.js";
import { words } from "./i18n.js";
import { record } from "./recorder.js";
import { silence } from "./player.js";
import { Sound } from "./sound.js";
import { chips } from "./results.js";
import { search } from "./strings/search.js";
import { announce } from "./toast.js";

const t = words(search);
const BARS = 40;
const QUIET_SECONDS = 3;
const QUIET = 0.12;

export class QueryBox {
  #sound = null;
  #stopRecording = null;
  #onfile;
  #onlink;

  /** `onfile(blob, name)` hears of a sound, `onlink()` that a link is wanted. */
  constructor({ onfile, onlink }) {
    this.#onfile = onfile;
    this.#onlink = onlink;
    this.node = h("section", { class: "card query", "aria-label": t("query") });
  }

  get sound() {
    return this.#sound;
  }

  /** Shows a source, or the empty place for null. */
  show(source) {
    this.leave();
    this.node.replaceChildren(...(source ? this.#filled(source) : this.#empty()));
    this.node.classList.toggle("waiting", !source);
  }

  leave() {
    this.#stopRecording?.();
    this.#stopRecording = null;
    this.#sound?.destroy();
    this.#sound = null;
  }

  #empty() {
    return [
      h("div", { class: "query-mark" }, icon("wave")),
      h(
        "p",
        { class: "query-call" },
        t(matchMedia("(pointer: coarse)").matches ? "chooseHere" : "dropHere"),
      ),
      h("div", { class: "query-ways" }, this.#choose("primary"), this.#record()),
      h("p", { class: "quiet" }, t("kinds")),
    ];
  }

  #filled(source) {
    this.#sound = new Sound(source, { height: 64, wide: true });
    this.#sound.button.classList.add("large");
    const link = h(
      "button",
      { type: "button", class: "button small", onclick: () => this.#onlink() },
      icon("link"),
      t(source.clip ? "copyLink" : "keepLink"),
    );
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
      h("div", { class: "query-ways start" }, this.#choose("small"), this.#record("small"), link),
      this.#sound.wave,
    ];
  }

  #choose(kind) {
    const input = h("input", {
      type: "file",
      accept: ACCEPT,
      hidden: true,
      onchange: () => input.files[0] && this.#onfile(input.files[0], input.files[0].name),
    });
    return [
      input,
      h(
        "button",
        { type: "button", class: `button ${kind}`, onclick: () => input.click() },
        icon("file"),
        t(kind === "primary" ? "choose" : "chooseOther"),
      ),
    ];
  }

  #record(kind = "") {
    return h(
      "button",
      { type: "button", class: `button ${kind}`, onclick: () => this.#startRecording() },
      icon("mic"),
      t("record"),
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
    announce(t("recorded"));
    this.#onfile(blob, `${t("recording")} ${new Date().toLocaleTimeString()}`);
  }

  #showRecording(recording) {
    const bars = Array.from({ length: BARS }, () => h("span"));
    const clock = h("span", { class: "query-clock" }, "0.0 s");
    const hint = h("p", { class: "quiet", role: "status" }, t("listening"));
    const stop = h(
      "button",
      { type: "button", class: "button primary", onclick: () => recording.stop() },
      icon("stop"),
      t("stop"),
    );
    const cancel = h(
      "button",
      { type: "button", class: "button", onclick: () => (recording.cancel(), this.show(null)) },
      t("cancel"),
    );
    this.node.classList.add("waiting");
    this.node.replaceChildren(
      h("div", { class: "levels", "aria-hidden": "true" }, bars),
      clock,
      h("div", { class: "query-ways" }, stop, cancel),
      hint,
    );
    stop.focus();
    const timer = showLevels(recording, bars, clock, hint);
    this.#stopRecording = () => {
      clearInterval(timer);
      recording.cancel();
    };
  }
}

/** Moves the levels through the bars, ten a second, and says so when nothing is heard. */
function showLevels(recording, bars, clock, hint) {
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
