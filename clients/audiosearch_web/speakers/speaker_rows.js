/** Speakers as rows: who is enrolled, and how well. */

import { h, icon } from "../core/dom.js";
import { idOf, number, score } from "../core/format.js";
import { words } from "../core/i18n.js";
import { address } from "../core/router.js";
import { disagrees, speechOf } from "./speech.js";
import { strings } from "../strings/speakers.js";

const t = words(strings);

/** The name of a speaker. */
export const calledSpeaker = (speaker) => speaker.displayName || idOf(speaker.name);

/** The first letter of a name. */
export const initial = (name) => ([...name.trim()][0] ?? "?").toUpperCase();

/** The state of a speaker in words; null for one that is simply there. */
export function stateOf(speaker) {
  const { state, enrollmentCount, agreement } = speaker;
  if (state === "STATE_ACTIVE" && !enrollmentCount) {
    return h("span", { class: "chip warn" }, t("notEnrolled"));
  }
  if (state === "STATE_ACTIVE" && disagrees(speaker)) {
    const title = t("disagreeMore", { agreement: score(agreement ?? 0) });
    return h("span", { class: "chip warn", title }, t("disagree"));
  }
  if (state === "STATE_ACTIVE") return null;
  return h("span", { class: "chip warn" }, t(state));
}

/** A speaker as an item of a list. */
export function speakerRow(speaker) {
  const name = calledSpeaker(speaker);
  const id = idOf(speaker.name);
  const library = speaker.name.split("/")[1];
  return h(
    "li",
    { class: "speaker" },
    h("span", { class: "initial", "aria-hidden": "true" }, initial(name)),
    h(
      "div",
      { class: "speaker-words" },
      h("a", { class: "speaker-name", href: address("speakers", { library, speaker: id }) }, name),
      name === id ? null : h("span", { class: "quiet" }, id),
      stateOf(speaker),
    ),
    h("p", { class: "quiet" }, t("recordings", { count: number(speaker.enrollmentCount ?? 0) })),
    speechOf(speaker),
    icon("next"),
  );
}
