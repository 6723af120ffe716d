/** The server's decision on a voice: the speaker's or not, not to be mistaken in any colour. */

import { h, icon } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { scoreInWords, thresholdNote } from "./likelihood.js";
import { modelNote, VOICES } from "../parts/purpose.js";
import { calledSpeaker } from "./speaker_rows.js";
import { strings } from "../strings/speakers.js";

const t = words(strings);

/** `{node, aloud}` of an answer of the server. */
export function verdictOf(answer, library) {
  const { speaker, score: measured, decision } = answer;
  const accepted = decision === "DECISION_ACCEPT";
  const name = calledSpeaker(speaker);
  const word = t(accepted ? "accept" : "reject");
  const sentence = t(accepted ? "acceptMore" : "rejectMore", { name });
  const node = h(
    "section",
    { class: "card identity", "aria-label": t("decision") },
    h(
      "div",
      { class: `verdict large ${accepted ? "accept" : "reject"}` },
      h("span", { class: "verdict-mark" }, icon(accepted ? "check" : "close")),
      h("div", {}, h("h3", {}, word), h("p", {}, sentence)),
    ),
    h("p", { class: "measured" }, scoreInWords(measured)),
    thresholdNote(answer, library),
    modelNote({ purpose: VOICES, model: answer.model }),
  );
  return { node, aloud: `${word}. ${sentence}` };
}
