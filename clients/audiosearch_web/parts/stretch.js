/** A stretch of a sound, chosen by dragging over its waveform or in two fields. */

import { field, h } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { clock, secondsOf } from "./clock.js";
import { strings } from "../strings/sound.js";

const t = words(strings);
const DRAG_PIXELS = 5;
/** A shorter one was no choice. */
const LEAST_SECONDS = 0.3;

export class Stretch {
  #sound;
  #onchoose;
  #whole;
  #chosen;
  #begun = null;
  #shown = h("div", { class: "stretch-shown", hidden: true });
  #layer = h("div", { class: "stretch-layer", "aria-hidden": "true" }, this.#shown);
  #from = this.#input();
  #to = this.#input();
  #all = h(
    "button",
    { type: "button", class: "button small", onclick: () => this.#choose(0, 0) },
    t("wholeSound"),
  );
  #wrong = h("p", { class: "stretch-wrong", role: "alert" });

  /**
   * `chosen` is `{from, to}` in seconds; `to` is 0 for the end. `onchoose(chosen)` hears of
   * another.
   */
  constructor(sound, chosen, onchoose) {
    this.#sound = sound;
    this.#chosen = chosen;
    this.#onchoose = onchoose;
    this.node = h(
      "div",
      { class: "stretch-fields", role: "group", "aria-label": t("stretch"), hidden: true },
      h("span", { class: "field-label" }, t("stretch")),
      field(t("from"), this.#from),
      field(t("to"), this.#to),
      this.#all,
      this.#wrong,
    );
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      this.#layer.addEventListener(kind, (event) => this.#pointed(event));
    }
  }

  /** Takes the length of the sound: from then on a stretch can be chosen. */
  set whole(seconds) {
    if (this.#whole || !(seconds > 0)) return;
    this.#whole = seconds;
    this.node.hidden = false;
    this.#sound.wave.append(this.#layer);
    this.#show();
  }

  #input() {
    return h("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      maxLength: 12,
      onchange: () => this.#typed(),
    });
  }

  #show() {
    const { from, to } = this.#chosen;
    this.#from.value = clock(from, 1);
    this.#to.value = clock(to || this.#whole, 1);
    this.#all.hidden = !from && !to;
    this.#paint(from, to || this.#whole, Boolean(from || to));
    this.#tellWrong("");
  }

  #paint(from, to, visible) {
    this.#shown.hidden = !visible;
    this.#shown.style.left = `${(100 * from) / this.#whole}%`;
    this.#shown.style.width = `${(100 * (to - from)) / this.#whole}%`;
  }

  #tellWrong(words) {
    this.#wrong.textContent = words;
    for (const input of [this.#from, this.#to]) {
      input.setAttribute("aria-invalid", String(Boolean(words)));
    }
  }

  #typed() {
    const from = secondsOf(this.#from.value);
    const to = secondsOf(this.#to.value);
    if (from === undefined || to === undefined || from >= Math.min(to, this.#whole)) {
      this.#tellWrong(t("stretchWrong", { whole: clock(this.#whole, 1) }));
    } else this.#choose(from, to);
  }

  #choose(from, to) {
    const last = to >= this.#whole - 0.05 ? 0 : tenths(to);
    const next = { from: tenths(from), to: last };
    const same = next.from === this.#chosen.from && next.to === this.#chosen.to;
    const focused = document.activeElement === this.#all;
    this.#chosen = next;
    this.#show();
    if (focused) this.#from.focus();
    if (!same) this.#onchoose(next);
  }

  #pointed(event) {
    const at = this.#at(event);
    if (event.type === "pointerdown" && event.button === 0) {
      this.#begun = { x: event.clientX, at, dragged: false };
      this.#layer.setPointerCapture(event.pointerId);
    } else if (event.type === "pointermove" && this.#begun) {
      this.#begun.dragged ||= Math.abs(event.clientX - this.#begun.x) > DRAG_PIXELS;
      if (this.#begun.dragged) this.#paint(...inOrder(this.#begun.at, at), true);
    } else if (event.type === "pointerup" && this.#begun) {
      this.#ended(at);
    } else if (event.type === "pointercancel") {
      this.#begun = null;
      this.#show();
    }
  }

  #ended(at) {
    const { at: begun, dragged } = this.#begun;
    const [from, to] = inOrder(begun, at);
    this.#begun = null;
    if (dragged && to - from >= LEAST_SECONDS) this.#choose(from, to);
    else {
      this.#show();
      this.#sound.playFrom(begun);
    }
  }

  #at({ clientX }) {
    const { left, width } = this.#layer.getBoundingClientRect();
    return (Math.min(Math.max(clientX - left, 0), width) / (width || 1)) * this.#whole;
  }
}

const tenths = (value) => Math.round(value * 10) / 10;

const inOrder = (one, other) => [Math.min(one, other), Math.max(one, other)];
