/** One speaker: its enrollments, more of them, and whether a voice is the speaker's. */

import { api } from "../core/api.js";
import { ClipList } from "../clips/list.js";
import { filesBelow, takeDropsInParts } from "../parts/drops.js";
import { isSound } from "../parts/sounds.js";
import { h, icon, iconButton, keepHeading } from "../core/dom.js";
import { EnrollPanel } from "./enroll_panel.js";
import { enrollmentOf } from "./enrollment.js";
import { said } from "../core/failure.js";
import { idOf, moment, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { keepLibrary } from "../core/last_library.js";
import { address, go } from "../core/router.js";
import { deleteSpeaker, renameSpeaker } from "./speaker_dialogs.js";
import { calledSpeaker, stateOf } from "./speaker_rows.js";
import { speechOf } from "./speech.js";
import { strings, verifyBox } from "../strings/speakers.js";
import { toast } from "../parts/toast.js";
import { verdictOf } from "./verdict.js";
import { VoiceQuestion } from "./voice_question.js";

const t = words(strings);
const MOST_DROPPED = 1000;

export async function showSpeaker(root, { library, speaker: id, name }) {
  root.append(h("h1", {}, name || id));
  const resource = `libraries/${library}/speakers/${id}`;
  const speaker = await found(resource);
  keepLibrary(library);
  const page = new SpeakerPage(root, library, speaker ?? draft(resource, name));
  if (speaker) await page.load();
  return () => page.leave();
}

/** The speaker, or null where nobody is enrolled by that name. */
async function found(name) {
  try {
    return await api.speaker(name);
  } catch (error) {
    if (error.reason === "SPEAKER_NOT_FOUND") return null;
    throw error;
  }
}

/** Somebody who is to be enrolled. */
const draft = (name, displayName = "") => ({ name, displayName, isDraft: true });

class SpeakerPage {
  #root;
  #library;
  #speaker;
  #head = h("div", { class: "library-head" });
  #panel;
  #question = null;
  #list = null;
  #endDrops = () => {};

  constructor(root, library, speaker) {
    this.#root = root;
    this.#library = library;
    this.#speaker = speaker;
    const enrollment = enrollmentOf(speaker.name);
    enrollment.exists = !speaker.isDraft;
    if (speaker.isDraft) enrollment.displayName = speaker.displayName;
    this.#panel = new EnrollPanel(speaker.name, (changed) => this.#changed(changed));
    this.#draw();
  }

  load() {
    return this.#list.load();
  }

  leave() {
    this.#endDrops();
    this.#panel.leave();
    this.#question?.leave();
    this.#list?.leave();
  }

  #draw() {
    const { isDraft } = this.#speaker;
    if (!isDraft) {
      this.#question = this.#makeQuestion();
      this.#list = this.#makeList();
    }
    this.#drawHead();
    keepHeading(this.#root, () =>
      this.#root.replaceChildren(
        this.#head,
        h(
          "div",
          { class: "speaker-boxes" },
          this.#panel.node,
          ...(isDraft ? [] : [this.#question.node]),
        ),
        this.#panel.outcomes,
        ...(isDraft ? [] : [this.#list.node]),
      ));
    this.#takeDrops();
  }

  #makeQuestion() {
    const { name } = this.#speaker;
    const box = words(verifyBox);
    return new VoiceQuestion({
      key: name,
      mark: "speakers",
      t: (key) => box(key, { name: calledSpeaker(this.#speaker) }),
      ask: (asked) => api.verify(name, asked),
      draw: (answer) => verdictOf(answer, this.#library),
    });
  }

  #makeList() {
    return new ClipList(
      { name: `libraries/${this.#library}` },
      {},
      {
        speaker: this.#speaker.name,
        detach: (clip) => this.#detach(clip),
        onfilter: () => {},
        onchange: () => {},
      },
    );
  }

  /** Sounds that are dropped are never enrolled unasked: there are two places to drop them. */
  #takeDrops() {
    this.#endDrops();
    const name = calledSpeaker(this.#speaker);
    const enroll = {
      mark: "mic",
      label: t("dropToEnroll", { name }),
      ondrop: (some) => this.#drop(some),
    };
    const verify = {
      mark: "speakers",
      label: t("dropToVerify", { name }),
      ondrop: async (some) => {
        const files = await soundsOf(some, 1);
        if (files.length) this.#question.take(files);
      },
    };
    this.#endDrops = takeDropsInParts(this.#question ? [enroll, verify] : [enroll]);
  }

  async #drop(entries) {
    const files = await soundsOf(entries, MOST_DROPPED);
    if (files.length) this.#panel.take(files);
  }

  /** A recording was enrolled. */
  #changed(speaker) {
    const { isDraft } = this.#speaker;
    this.#speaker = speaker;
    if (isDraft) this.#draw();
    else this.#drawHead();
    this.#list.load({ quietly: true });
  }

  async #detach(clip) {
    try {
      this.#speaker = await api.removeEnrollments(this.#speaker.name, [clip.name]);
    } catch (error) {
      toast(said(error), { kind: "error" });
      return false;
    }
    this.#drawHead();
    toast(t("detached", { name: clip.displayName || idOf(clip.name) }), {
      action: { label: t("undo"), run: () => this.#panel.takeClip(clip) },
    });
    return true;
  }

  #drawHead() {
    const speaker = this.#speaker;
    const ways = [
      iconButton("edit", t("rename"), () => this.#rename()),
      iconButton("trash", t("deleteThis"), () => this.#remove()),
    ];
    const focused = this.#head.contains(document.activeElement);
    this.#head.replaceChildren(
      h(
        "a",
        { class: "back", href: address("speakers", { library: this.#library }) },
        icon("previous"),
        t("all"),
      ),
      h(
        "div",
        { class: "library-title" },
        h("h1", { tabindex: "-1" }, calledSpeaker(speaker)),
        ...(speaker.isDraft
          ? [h("span", { class: "chip warn" }, t("notEnrolled"))]
          : [stateOf(speaker), ways].flat().filter(Boolean)),
      ),
      speaker.isDraft ? h("p", { class: "quiet" }, t("draftMore")) : facts(speaker),
    );
    if (focused) this.#head.querySelector("h1").focus();
  }

  async #rename() {
    this.#speaker = (await renameSpeaker(this.#speaker)) ?? this.#speaker;
    this.#drawHead();
    this.#takeDrops();
    this.#head.querySelector("button").focus();
  }

  async #remove() {
    if (await deleteSpeaker(this.#speaker)) go("speakers", { library: this.#library });
  }
}

/** Sounds among what was dropped, `{blob, name}` each. */
async function soundsOf(entries, most) {
  const found = [];
  for await (const file of filesBelow(entries)) {
    if (await isSound(file)) found.push({ blob: await file.file(), name: file.name });
    if (found.length < most) continue;
    if (most > 1) toast(t("soManyOnly", { count: number(most) }));
    break;
  }
  if (!found.length) toast(t("noSounds"), { kind: "error" });
  return found;
}

function facts(speaker) {
  const pairs = [
    [t("recordingsFact"), number(speaker.enrollmentCount ?? 0)],
    [t("speechFact"), speechOf(speaker)],
    [t("made"), moment(speaker.createTime)],
    [t("idOf"), idOf(speaker.name)],
  ];
  return h(
    "dl",
    { class: "library-facts" },
    pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
