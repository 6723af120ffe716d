/** Enrollment of a speaker: recordings in, and what became of each. */

import { h, icon, iconButton } from "../core/dom.js";
import { enrollmentOf } from "./enrollment.js";
import { inWords, said } from "../core/failure.js";
import { idOf, score } from "../core/format.js";
import { words } from "../core/i18n.js";
import { address } from "../core/router.js";
import { channelField } from "../parts/channels.js";
import { remarksInWords } from "../parts/remarks.js";
import { SoundBox } from "../parts/sound_box.js";
import { clipSource, fileSource } from "../parts/sources.js";
import { enrollBox, strings } from "../strings/speakers.js";
import { announce } from "../parts/toast.js";

const t = words(strings);
const MARKS = { enrolled: "check", refused: "close", sending: "wave", waiting: "again" };

export class EnrollPanel {
  #enrollment;
  #box;
  #channel = channelField();
  #onspeaker;
  #seen;
  #told = false;
  #progress = h("progress", { "aria-label": t("enrolling") });
  #head = h("div", { class: "row-between" });
  #waiting = h("p", { class: "import-waiting" });
  #list = h("ul", { class: "outcomes", "aria-label": t("outcomes") });
  #outcomes = h(
    "div",
    { class: "card enroll-outcomes", hidden: true },
    this.#head,
    this.#progress,
    this.#waiting,
    this.#list,
  );
  #end;

  /** Of the speaker `name`; `onspeaker(speaker)` hears of it whenever it has changed. */
  constructor(name, onspeaker) {
    this.#enrollment = enrollmentOf(name);
    this.#onspeaker = onspeaker;
    this.#seen = this.#enrollment.speaker;
    this.#told = !this.#enrollment.busy;
    this.#box = new SoundBox({
      many: true,
      mark: "mic",
      t: words(enrollBox),
      options: this.#channel.node,
      onfiles: (files) => this.take(files),
    });
    this.#box.show(null);
    this.node = this.#box.node;
    this.outcomes = this.#outcomes;
    this.#end = this.#enrollment.on(() => this.#draw());
    this.#draw();
  }

  leave() {
    this.#end();
    this.#box.leave();
    if (!this.#enrollment.busy) this.#enrollment.clear();
  }

  /** Enrolls with files, `{blob, name, recorded}` each. */
  take(files) {
    this.#box.show(null);
    this.#told = false;
    const { value } = this.#channel;
    this.#enrollment.add(files.map(({ blob, name, recorded }) => ({
      source: fileSource(blob, name),
      channel: recorded ? 0 : value,
    })));
  }

  /** Enrolls with a clip of the library. */
  takeClip(clip) {
    this.#told = false;
    this.#enrollment.add([{ source: clipSource(clip) }]);
  }

  #draw() {
    const { items, speaker, busy, waiting } = this.#enrollment;
    this.#outcomes.hidden = !items.length;
    this.#progress.hidden = !busy;
    this.#progress.max = items.length;
    this.#progress.value = items.filter(over).length;
    this.#waiting.textContent = waiting ? said(waiting) : "";
    this.#waiting.hidden = !waiting;
    this.#drawHead();
    this.#drawItems();
    if (speaker !== this.#seen) this.#onspeaker(this.#seen = speaker);
    if (busy || this.#told) return;
    this.#told = true;
    announce(this.#summary());
  }

  #summary() {
    const { items } = this.#enrollment;
    const enrolled = items.filter(({ status }) => status === "enrolled").length;
    return t("enrolledOf", { enrolled, all: items.length });
  }

  #drawHead() {
    const close = iconButton("close", t("closeOutcomes"), () => this.#enrollment.clear());
    this.#head.replaceChildren(h("h2", {}, this.#summary()), this.#enrollment.busy ? "" : close);
  }

  /** Rows that say the same stay: one of them may have the focus. */
  #drawItems() {
    const { items } = this.#enrollment;
    for (const [place, item] of items.entries()) {
      const old = this.#list.children[place];
      const shown = `${item.source.key} ${item.status}`;
      if (old?.dataset.shown === shown) continue;
      const row = this.#row(item);
      row.dataset.shown = shown;
      if (old) old.replaceWith(row);
      else this.#list.append(row);
    }
    while (this.#list.children.length > items.length) this.#list.lastChild.remove();
  }

  #row(item) {
    const { source, status } = item;
    return h(
      "li",
      { class: `outcome outcome-${isLow(item) ? "low" : status}` },
      h("span", { class: "outcome-mark" }, icon(isLow(item) ? "warning" : MARKS[status])),
      h(
        "div",
        { class: "outcome-words" },
        h("p", { class: "sound-name", title: source.name }, source.name),
        h("p", { class: "outcome-what" }, this.#what(item)),
        remarksInWords(item.audio).map((text) => h("p", { class: "quiet" }, text)),
      ),
      h("div", { class: "outcome-ways" }, this.#ways(item)),
    );
  }

  #what({ status, error, agreement, fit }) {
    if (status === "refused") return why(error);
    if (status !== "enrolled") return t(status);
    return t(fit ?? "FIT_FIRST", { agreement: score(agreement ?? 0) });
  }

  #ways(item) {
    const { status, error } = item;
    if (status !== "refused") return [];
    const way = (label, options) =>
      h(
        "button",
        {
          type: "button",
          class: "button small",
          onclick: () => ((this.#told = false), this.#enrollment.again(item, options)),
        },
        label,
      );
    if (error.reason === "VOICE_MISMATCH") return [way(t("anyway"), { allowOtherVoice: true })];
    if (error.reason === "CLIP_ENROLLED") return [whose(error.metadata?.speaker)];
    return /^(AUDIO|BODY|SPEAKER|CLIP)_/.test(error.reason) ? [] : [way(t("again"))];
  }
}

const isLow = ({ status, fit }) => status === "enrolled" && fit === "FIT_LOW";

const over = ({ status }) => status === "enrolled" || status === "refused";

/** In words of this page where it has better ones than the server, who doesn't see it. */
function why({ reason, message, metadata = {} }) {
  if (reason === "VOICE_MISMATCH") {
    return t("otherVoice", { agreement: score(metadata.agreement), limit: metadata.limit });
  }
  if (reason === "CLIP_ENROLLED") return t("enrolledElsewhere");
  if (reason === "AUDIO_TOO_SHORT") return t("tooShort");
  if (reason === "AUDIO_SILENT") return t("silent");
  return inWords(reason, message);
}

const whose = (name) =>
  name &&
  h(
    "a",
    {
      class: "button small",
      href: address("speakers", { library: name.split("/")[1], speaker: idOf(name) }),
    },
    idOf(name),
  );
