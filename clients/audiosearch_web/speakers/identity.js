/** The answer to whose voice it is: the speakers it may be, or nobody who is enrolled. */

import { h, icon, iconButton } from "../core/dom.js";
import { idOf, percent } from "../core/format.js";
import { words } from "../core/i18n.js";
import { likelihood, scoreInWords, thresholdNote } from "./likelihood.js";
import { scoreOf } from "../parts/labels.js";
import { modelNote, VOICES } from "../parts/purpose.js";
import { address } from "../core/router.js";
import { calledSpeaker, initial } from "./speaker_rows.js";
import { strings } from "../strings/speakers.js";

const t = words(strings);

/**
 * `{node, aloud}` of an answer of the server; `onenroll(speaker)` hears that the recording is to be
 * enrolled, for that speaker or, without one, for somebody else.
 */
export function identityOf(answer, { library, onenroll }) {
  const { matches = [], bestScore } = answer;
  const verdict = verdictOf(answer);
  const node = h(
    "section",
    { class: "card identity", "aria-label": t("identity") },
    h(
      "div",
      { class: `verdict ${matches.length ? "accept" : "nobody"}` },
      h("span", { class: "verdict-mark" }, icon(matches.length ? "check" : "nobody")),
      h("div", {}, h("h3", {}, verdict), h("p", {}, more(answer))),
    ),
    matches.length > 0 &&
      h(
        "ol",
        { class: "matches", "aria-label": t("matches") },
        matches.map((match) => row(match, library, onenroll)),
      ),
    bestScore && thresholdNote(answer, library, strangers(answer)),
    modelNote({ purpose: VOICES, model: answer.model }),
    h(
      "div",
      { class: "ways" },
      h(
        "button",
        { type: "button", class: "button small", onclick: () => onenroll() },
        icon("plus"),
        t(matches.length ? "enrollOther" : "enrollThis"),
      ),
    ),
  );
  return { node, aloud: verdict };
}

function verdictOf({ matches = [] }) {
  if (!matches.length) return t("isNobody");
  const [{ speaker }] = matches;
  return t(matches.length > 1 ? "isLikely" : "isSpeaker", { name: calledSpeaker(speaker) });
}

function more({ matches = [], bestScore, candidateCount }) {
  const count = Number(candidateCount ?? 0);
  if (!bestScore) return t("nobodyToCompare");
  if (!matches.length) return t("bestOf", { count, score: scoreInWords(bestScore) });
  return t("amongSpeakers", { count });
}

function row({ speaker, score }, library, onenroll) {
  const name = calledSpeaker(speaker);
  const ratio = score.logLikelihoodRatio;
  return h(
    "li",
    { class: "match" },
    h("span", { class: "initial", "aria-hidden": "true" }, initial(name)),
    h(
      "div",
      { class: "match-words" },
      h("a", { href: address("speakers", { library, speaker: idOf(speaker.name) }) }, name),
      ratio === undefined ? null : h("p", { class: "quiet" }, likelihood(ratio)),
    ),
    iconButton("plus", t("enrollAs", { name }), () => onenroll(speaker)),
    scoreOf(score.cosine ?? 0),
  );
}

function strangers({ expectedStrangerRate: rate, candidateCount }) {
  if (rate === undefined) return null;
  if (rate >= 1) return t("noStrangerKept", { count: candidateCount });
  return t("strangers", { count: candidateCount ?? 0, rate: percent(rate) });
}
