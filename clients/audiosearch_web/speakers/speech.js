/** The amount of speech a speaker is enrolled with, and how much more would help. */

import { h } from "../core/dom.js";
import { number, seconds } from "../core/format.js";
import { words } from "../core/i18n.js";
import { strings } from "../strings/speakers.js";

const t = words(strings);

/** True if the recordings of a speaker do not agree with each other. */
export const disagrees = ({ consistency }) => consistency === "CONSISTENCY_LOW";

/** A bar up to what is enough, and both in words. */
export function speechOf(speaker) {
  const there = seconds(speaker.speechDuration) ?? 0;
  const wanted = seconds(speaker.wantedSpeechDuration) ?? 0;
  const isGood = !wanted && !disagrees(speaker);
  const bar = h("span", { class: "score-bar", "aria-hidden": "true" }, h("span", {}));
  bar.firstChild.style.width = `${(100 * there) / (there + wanted || 1)}%`;
  return h(
    "div",
    { class: `speech ${isGood ? "enough" : ""}` },
    bar,
    h(
      "p",
      { class: "quiet" },
      h("strong", {}, t("speech", { seconds: number(there, 1) })),
      " · ",
      wanted ? t("wanted", { seconds: number(wanted, 1) }) : isGood && t("enough"),
    ),
  );
}
