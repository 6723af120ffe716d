/** Labels of clips that several pages show: label and speaker, a score, no library yet. */

import { h, icon } from "../core/dom.js";
import { idOf, score } from "../core/format.js";
import { words } from "../core/i18n.js";
import { address } from "../core/router.js";
import { search } from "../strings/search.js";

const t = words(search);

const TAGS_SHOWN = 3;

/** Label, speaker and surest tags, as far as they are known, and whose enrollment it is. */
export const chips = ({ label, speaker, enrolledSpeaker, tags = [] }) => {
  const enrolled = enrolledSpeaker && idOf(enrolledSpeaker);
  return [
    label && h("span", { class: "chip", title: t("label") }, label),
    speaker &&
    speaker !== enrolled &&
    h("span", { class: "chip voice", title: t("speaker") }, icon("mic"), speaker),
    enrolled && enrollmentOf(enrolledSpeaker, enrolled),
    ...tags.slice(0, TAGS_SHOWN).map((tag) =>
      h("span", { class: "chip tag", title: t("heardAs", { score: score(tag.score) }) }, tag.name)
    ),
  ];
};

const enrollmentOf = (name, speaker) =>
  h(
    "a",
    {
      class: "chip voice enrolled",
      href: address("speakers", { library: name.split("/")[1], speaker }),
      title: t("enrollmentOf", { speaker }),
    },
    icon("check"),
    speaker,
  );

/** A link to ask whose voice a clip is. */
export const whoLink = (clip, name) =>
  h(
    "a",
    {
      class: "icon-button who",
      href: address("speakers", { library: clip.name.split("/")[1], clip: idOf(clip.name) }),
      "aria-label": t("whoseVoice", { name }),
      title: t("whoseVoiceShort"),
    },
    icon("speakers"),
  );

/** A score, as a number and as a bar. */
export function scoreOf(value) {
  const bar = h("span", { class: "score-bar", "aria-hidden": "true" }, h("span", {}));
  bar.firstChild.style.width = `${Math.max(value, 0) * 100}%`;
  return h(
    "div",
    { class: "score" },
    h(
      "span",
      { class: "score-number" },
      h("span", { class: "unseen" }, `${t("score")} `),
      score(value),
    ),
    bar,
  );
}

/**
 * The place of a page that needs a library where there is none: it leads to making one, for
 * `purpose` where that is given.
 */
export function noLibrary(purpose) {
  return h(
    "div",
    { class: "empty" },
    icon("library"),
    h("h2", {}, t("noLibrary")),
    h("p", {}, t("noLibraryMore")),
    makeOne(purpose),
  );
}

/** A link to making a library, for `purpose` where that is given. */
export const makeOne = (purpose) =>
  h(
    "a",
    { class: "button primary", href: address("library", { purpose, make: 1 }) },
    icon("plus"),
    t("makeLibrary"),
  );
