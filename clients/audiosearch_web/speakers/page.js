/** The page Speakers: who is enrolled and whose voice a sound is, or one of the speakers. */

import { api } from "../core/api.js";
import { CalibrationCard } from "./calibration_card.js";
import { filesBelow, takeDrops } from "../parts/drops.js";
import { isSound } from "../parts/sounds.js";
import { h, icon, keepHeading } from "../core/dom.js";
import { enrollmentOf } from "./enrollment.js";
import { failureBox } from "../core/failure.js";
import { idOf } from "../core/format.js";
import { words } from "../core/i18n.js";
import { identityOf } from "./identity.js";
import { chooseLibrary, libraryPicker } from "../parts/picker.js";
import { holdsVoices, VOICES } from "../parts/purpose.js";
import { go, rewrite } from "../core/router.js";
import { makeOne, noLibrary } from "../parts/labels.js";
import { clipSource } from "../parts/sources.js";
import { enrollSomebody } from "./speaker_dialogs.js";
import { SpeakerList } from "./speaker_list.js";
import { showSpeaker } from "./speaker_one.js";
import { identifyBox, strings } from "../strings/speakers.js";
import { toast } from "../parts/toast.js";
import { holdsVectors } from "../parts/vectors.js";
import { vectors } from "../strings/vectors.js";
import { VoiceQuestion } from "./voice_question.js";

const t = words(strings);

export async function show(root, params) {
  if (params.library && params.speaker) return showSpeaker(root, params);
  root.append(h("h1", {}, t("title")));
  const { libraries, chosen } = await chooseLibrary(params.library, holdsVoices);
  if (!libraries.length && !chosen) {
    root.append(noLibrary(VOICES));
    return () => {};
  }
  const library = libraries.find(({ name }) => idOf(name) === chosen);
  const fitting = libraries.filter(holdsVoices);
  if (!chosen || (library && !holdsVoices(library))) {
    showNoVoices(root, fitting, library);
    return () => {};
  }
  const page = new SpeakersPage(root, fitting, chosen);
  await page.open(params);
  return () => page.leave();
}

const pickerOf = (libraries, chosen) =>
  libraryPicker({ libraries, chosen, onchoose: (id) => go("speakers", { library: id }) });

/** `library` is the one asked for, or undefined where there is none for voices at all. */
function showNoVoices(root, libraries, library) {
  const why = () => {
    if (!library) return t("noneForVoices");
    return holdsVectors(library) ? words(vectors)("noVoicesMore") : t("forSounds");
  };
  const picker = libraries.length > 0 && pickerOf(libraries, library && idOf(library.name));
  keepHeading(root, () =>
    root.replaceChildren(
      h("div", { class: "row-between" }, h("h1", {}, t("title")), picker || ""),
      h(
        "div",
        { class: "empty" },
        icon("nobody"),
        h("h2", {}, words(vectors)("noVoices")),
        h("p", {}, why()),
        makeOne(VOICES),
      ),
    ));
}

class SpeakersPage {
  #library;
  #question;
  #list;
  #calibration;
  #asked;
  #endDrops;

  constructor(root, libraries, library) {
    this.#library = library;
    const name = `libraries/${library}`;
    this.#question = new VoiceQuestion({
      key: name,
      mark: "speakers",
      t: words(identifyBox),
      ask: (asked) => api.identify(name, asked),
      draw: (answer, source, channel) =>
        identityOf(answer, {
          library,
          onenroll: (speaker) => this.#enroll({ source, channel }, speaker),
        }),
      onsource: () => rewrite("speakers", { library }),
    });
    this.#list = new SpeakerList(name, {
      onenroll: () => enrollSomebody(library),
      onload: (any) => (this.#asked.hidden = !any && !this.#question.sound),
    });
    this.#calibration = new CalibrationCard(name);
    this.#asked = h("div", { class: "slot", hidden: true }, this.#question.node);
    const picker = pickerOf(libraries, library);
    keepHeading(root, () =>
      root.replaceChildren(
        h("div", { class: "row-between" }, h("h1", { tabindex: "-1" }, t("title")), picker),
        this.#asked,
        this.#list.node,
        this.#calibration.node,
      ));
    this.#endDrops = takeDrops(t("dropAnywhere"), (entries) => this.#dropped(entries));
  }

  async open({ clip, part }) {
    if (clip) this.#askClip(`libraries/${this.#library}/clips/${clip}`);
    await Promise.all([this.#list.load(), this.#calibration.load()]);
    if (part === "calibration") this.#calibration.goTo();
  }

  leave() {
    this.#endDrops();
    this.#question.leave();
    this.#list.leave();
    this.#calibration.leave();
  }

  async #askClip(name) {
    try {
      const source = clipSource(await api.clip(name));
      if (!this.#question.isAbout(source.key)) await this.#question.ask(source);
    } catch (error) {
      this.#question.answer.replaceChildren(failureBox(error, () => this.#askClip(name)));
    }
    this.#asked.hidden = false;
  }

  async #dropped(entries) {
    for await (const file of filesBelow(entries)) {
      if (!(await isSound(file))) continue;
      this.#asked.hidden = false;
      this.#question.take([{ blob: await file.file(), name: file.name }]);
      return;
    }
    toast(t("noSounds"), { kind: "error" });
  }

  /** Enrolls what was asked with, `{source, channel}`: for a speaker, or for somebody new. */
  #enroll(recording, speaker) {
    if (!speaker) {
      enrollSomebody(this.#library, recording);
      return;
    }
    const enrollment = enrollmentOf(speaker.name);
    enrollment.exists = true;
    enrollment.add([recording]);
    go("speakers", { library: this.#library, speaker: idOf(speaker.name) });
  }
}
