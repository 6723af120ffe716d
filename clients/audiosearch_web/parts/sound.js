/** A sound on the page: a button that plays it, and its waveform, drawn once it is in sight. */

import "../wavesurfer.min.js";
import { h, icon } from "../core/dom.js";
import { said } from "../core/failure.js";
import { length } from "../core/format.js";
import { words } from "../core/i18n.js";
import { peaksOf } from "./peaks.js";
import { claim } from "./one_at_a_time.js";
import { DRAWN_BYTES } from "./sources.js";
import { strings } from "../strings/sound.js";
import { color, onTheme } from "../core/theme.js";
import { toast } from "./toast.js";

const t = words(strings);
const nonce = document.querySelector("link[nonce]").nonce;
const NEAR = "160px";

export class Sound {
  #source;
  #media = h("audio", { preload: "none" });
  #ending = new AbortController();
  #objectUrl;
  #surfer;
  #height;
  #over = () => {};
  #forgetTheme = onTheme(() => this.#surfer?.setOptions(colors()));
  #stop = () => this.pause();

  /**
   * `button`, `wave` and `time` are for the page to place; `wide` is a large one that keys can move
   * in.
   */
  constructor(source, { height = 36, wide = false } = {}) {
    this.#source = source;
    this.#height = height;
    this.button = h("button", { type: "button", class: "play", onclick: () => this.toggle() });
    this.time = h("span", { class: "sound-length" }, length(source.seconds));
    this.wave = h("div", { class: "wave" }, this.#media);
    if (wide) this.#makeSlider();
    for (const event of ["play", "pause", "ended"]) {
      this.#media.addEventListener(event, () => this.#told(event));
    }
    this.#media.addEventListener("timeupdate", () => this.#showTime());
    this.#showState();
    this.#drawInSight();
  }

  get playing() {
    return !this.#media.paused;
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  pause() {
    this.#media.pause();
  }

  /** Plays from where it stands. */
  async play() {
    claim(this.#stop);
    try {
      await this.#load();
      await this.#media.play();
    } catch (error) {
      this.#over(false);
      if (error.name !== "AbortError") toast(this.#whyNot(error), { kind: "error" });
    }
  }

  /** Plays from the start; true when it came to its end, false when something stopped it. */
  playThrough() {
    this.#media.currentTime = 0;
    return new Promise((resolve) => {
      this.#over = resolve;
      this.play();
    });
  }

  /** Moves by seconds. */
  seek(by) {
    const most = this.#duration() ?? 0;
    this.#media.currentTime = Math.min(Math.max(this.#media.currentTime + by, 0), most);
    this.#showTime();
  }

  /** Draws the waveform of a large sound too. */
  draw() {
    this.wave.replaceChildren(this.#media);
    this.#draw();
  }

  destroy() {
    this.pause();
    this.#ending.abort();
    this.#forgetTheme();
    this.#surfer?.destroy();
    if (this.#objectUrl) URL.revokeObjectURL(this.#objectUrl);
  }

  async #load() {
    if (this.#media.src) return;
    const large = this.#source.bytes > DRAWN_BYTES && this.#source.url();
    if (!large) this.#objectUrl = URL.createObjectURL(await this.#source.blob(this.#ending.signal));
    this.#media.src = large || this.#objectUrl;
  }

  #drawInSight() {
    const sight = new IntersectionObserver(
      ([entry]) => {
        if (!entry.isIntersecting) return;
        sight.disconnect();
        if (this.#source.bytes <= DRAWN_BYTES) this.#draw();
        else this.#offer();
      },
      { rootMargin: NEAR },
    );
    sight.observe(this.wave);
    this.#ending.signal.addEventListener("abort", () => sight.disconnect());
  }

  #offer() {
    const label = t("drawLarge");
    this.wave.append(
      h("button", { type: "button", class: "link", onclick: () => this.draw() }, label),
    );
  }

  async #draw() {
    try {
      const { bars, seconds } = await peaksOf(this.#source, this.#ending.signal);
      if (this.#ending.signal.aborted) return;
      this.#source.seconds ??= seconds;
      this.#surfer = globalThis.WaveSurfer.create({
        ...colors(),
        container: this.wave,
        height: this.#height,
        media: this.#media,
        peaks: [bars],
        duration: seconds,
        barWidth: 2,
        barGap: 1.5,
        barRadius: 2,
        barMinHeight: 1,
        cursorWidth: 0,
        normalize: true,
        hideScrollbar: true,
        cspNonce: nonce,
      });
      this.#surfer.on("interaction", () => this.play());
      this.wave.classList.add("drawn");
      this.#showTime();
    } catch {
      // Not every browser reads every format; the server does, and the sound is no worse for it.
      if (!this.#ending.signal.aborted) this.wave.classList.add("undrawn");
    }
  }

  #told(event) {
    this.#showState();
    if (event === "pause" && !this.#media.ended) this.#over(false);
    if (event === "ended") this.#over(true);
  }

  #showState() {
    const { playing } = this;
    const label = t(playing ? "pause" : "play", { name: this.#source.name });
    this.button.setAttribute("aria-label", label);
    this.button.title = t(playing ? "pauseShort" : "playShort");
    this.button.classList.toggle("playing", playing);
    this.button.replaceChildren(icon(playing ? "pause" : "play"));
  }

  #duration() {
    const own = this.#media.duration;
    return Number.isFinite(own) && own > 0 ? own : this.#source.seconds;
  }

  #showTime() {
    const at = this.#media.currentTime;
    const whole = this.#duration();
    this.time.textContent = at > 0 && at < whole
      ? `${at.toFixed(1)} / ${length(whole)}`
      : length(whole);
    if (!this.wave.hasAttribute("role")) return;
    const values = {
      "aria-valuemax": (whole ?? 0).toFixed(1),
      "aria-valuenow": at.toFixed(1),
      "aria-valuetext": t("position", { at: at.toFixed(1), whole: length(whole) }),
    };
    for (const [name, value] of Object.entries(values)) this.wave.setAttribute(name, value);
  }

  #makeSlider() {
    const attributes = {
      role: "slider",
      tabindex: "0",
      "aria-label": t("slider", { name: this.#source.name }),
      "aria-valuemin": "0",
    };
    for (const [name, value] of Object.entries(attributes)) this.wave.setAttribute(name, value);
    this.wave.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
      if (!step) return;
      this.seek(step);
      event.preventDefault();
      event.stopPropagation();
    });
    this.#showTime();
  }

  #whyNot(error) {
    const cannot = this.#media.error || error.name === "NotSupportedError";
    return cannot ? t("cannotPlay", { name: this.#source.name }) : said(error);
  }
}

const colors = () => ({ waveColor: color("--wave"), progressColor: color("--accent") });
