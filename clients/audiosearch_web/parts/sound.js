/** A sound on the page: a button that plays it, and its waveform, drawn once it is in sight. */

import "../wavesurfer.min.js";
import { h, icon } from "../core/dom.js";
import { said } from "../core/failure.js";
import { length } from "../core/format.js";
import { words } from "../core/i18n.js";
import { clock } from "./clock.js";
import { peaksOf } from "./peaks.js";
import { claim } from "./one_at_a_time.js";
import { DRAWN_BYTES, DRAWN_SECONDS } from "./sources.js";
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
  #from;
  #onlength;
  #marks = h("div", { class: "marks", "aria-hidden": "true" });
  #bar = h("div", { class: "time-bar", "aria-hidden": "true" }, h("span", {}));
  #over = () => {};
  #forgetTheme = onTheme(() => this.#surfer?.setOptions(colors()));
  #stop = () => this.pause();

  /**
   * `button`, `wave` and `time` are for the page to place; `wide` is a large one that keys can move
   * in. `from` is the place to begin at. `onlength(seconds)` hears of the length once it is known.
   */
  constructor(source, { height = 36, wide = false, from = 0, onlength = () => {} } = {}) {
    this.#source = source;
    this.#from = from;
    this.#height = height;
    this.#onlength = onlength;
    this.button = h("button", { type: "button", class: "play", onclick: () => this.toggle() });
    this.time = h("span", { class: "sound-length" }, length(source.seconds));
    this.wave = h("div", { class: "wave" }, this.#media, this.#marks);
    if (wide) this.#makeSlider();
    for (const event of ["play", "pause", "ended"]) {
      this.#media.addEventListener(event, () => this.#told(event));
    }
    this.#media.addEventListener("timeupdate", () => this.#showTime());
    this.#showState();
    if (from) this.begin();
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

  /** Moves to where it begins, or is to begin from now on. */
  begin(from = this.#from) {
    this.#from = from;
    this.#media.currentTime = from;
    this.#showTime();
  }

  /** Plays from where it begins; true when it came to its end, false when something stopped it. */
  playThrough() {
    this.begin();
    return new Promise((resolve) => {
      this.#over = resolve;
      this.play();
    });
  }

  /** Plays from a place, in seconds. */
  playFrom(at) {
    this.#media.currentTime = at;
    this.#showTime();
    return this.play();
  }

  /** Marks stretches `{from, to}` if the length is known; a click on one plays from it. */
  mark(stretches) {
    const whole = this.#source.seconds;
    if (!whole) return;
    this.#marks.replaceChildren(...stretches.map(({ from, to }, place) => {
      const node = h("div", { class: "mark", onclick: () => this.playFrom(from) });
      node.classList.toggle("best", !place);
      node.style.left = `${(100 * from) / whole}%`;
      node.style.width = `${(100 * (Math.min(to, whole) - from)) / whole}%`;
      return node;
    }));
  }

  /** Moves by seconds. */
  seek(by) {
    const most = this.#duration() ?? 0;
    this.#media.currentTime = Math.min(Math.max(this.#media.currentTime + by, 0), most);
    this.#showTime();
  }

  /** Draws the waveform of a large sound too. */
  draw() {
    this.wave.querySelector(".link")?.remove();
    this.#bar.remove();
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
    const isLarge = this.#source.bytes > DRAWN_BYTES || this.#isLong();
    const large = isLarge && (await this.#source.url());
    if (!large) this.#objectUrl = URL.createObjectURL(await this.#source.blob(this.#ending.signal));
    this.#media.src = large || this.#objectUrl;
  }

  #isLong() {
    return this.#source.seconds > DRAWN_SECONDS;
  }

  #drawInSight() {
    const sight = new IntersectionObserver(
      ([entry]) => {
        if (!entry.isIntersecting) return;
        sight.disconnect();
        this.#showOutline();
      },
      { rootMargin: NEAR },
    );
    sight.observe(this.wave);
    this.#ending.signal.addEventListener("abort", () => sight.disconnect());
  }

  /** The waveform, or what stands for that of a sound that is large or long. */
  async #showOutline() {
    if (this.#source.file) await this.#measure();
    if (this.#ending.signal.aborted) return;
    if (this.#source.peaks || (this.#source.bytes <= DRAWN_BYTES && !this.#isLong())) {
      this.#draw();
      return;
    }
    this.#showBar();
    if (!this.#isLong()) this.#offer();
  }

  #showBar() {
    this.wave.prepend(this.#bar);
    this.#bar.onclick = (event) => this.#clicked(event);
  }

  /** Reads the length of a file from its head, where the browser knows its format. */
  async #measure() {
    await this.#load();
    const { signal } = this.#ending;
    await new Promise((resolve) => {
      for (const event of ["loadedmetadata", "error"]) {
        this.#media.addEventListener(event, resolve, { once: true, signal });
      }
      this.#media.preload = "metadata";
      if (this.#media.readyState >= 1) resolve();
    });
    this.#lengthKnown(this.#duration());
  }

  #lengthKnown(value) {
    if (!value) return;
    this.#source.seconds ??= value;
    this.#showTime();
    this.#onlength(value);
  }

  #clicked({ clientX }) {
    const { left, width } = this.#bar.getBoundingClientRect();
    const whole = this.#duration();
    if (whole) this.playFrom((Math.max(clientX - left, 0) / width) * whole);
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
      this.#lengthKnown(seconds);
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
      // Not every browser reads every format, nor is a server always free; the sound is no worse.
      if (this.#ending.signal.aborted) return;
      this.wave.classList.add("undrawn");
      if (this.#source.peaks) this.#showBar();
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
    this.#bar.firstChild.style.width = `${(100 * at) / (whole || 1)}%`;
    this.time.textContent = at > 0 && at < whole
      ? `${whole < 60 ? at.toFixed(1) : clock(at)} / ${length(whole)}`
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
