/** Notes around the results: their number and times, and what to do when there are none. */

import { h, icon } from "../core/dom.js";
import { idOf, length, number, seconds, took } from "../core/format.js";
import { words } from "../core/i18n.js";
import { narrowed } from "./filters.js";
import { remarksOf } from "../parts/remarks.js";
import { search } from "../strings/search.js";

const t = words(search);

/** The head of the results of a session; `onchannel(number)` hears of another channel. */
export const summaryOf = (session, onchannel) => [
  h("h2", {}, t("found", { count: session.matches.length })),
  h("p", { class: "quiet times" }, timesOf(session)),
  ...understoodOf(session.summary),
  ...incompleteOf(session.summary),
  ...remarksOf(session.summary?.queryAudio, session.channel, onchannel),
];

const TAGS_SHOWN = 5;

/** The tags that words were taken for, and the words that were looked for in names alone. */
const understoodOf = (summary) => {
  const { understood = [], notUnderstood = [] } = summary ?? {};
  const lines = understood.map(({ words: asked, tags }) =>
    t("takenFor", { asked, tags: tags.slice(0, TAGS_SHOWN).join(", ") })
  );
  if (notUnderstood.length) lines.push(t("namesAlone", { asked: notUnderstood.join(", ") }));
  return lines.map((line) => h("p", { class: "quiet" }, line));
};

/** A search may miss clips while an index is filled again. */
const incompleteOf = (summary) =>
  (summary?.incomplete ?? []).map(({ library, indexedCount, expectedCount }) =>
    h(
      "p",
      { class: "quiet" },
      t("incomplete", {
        library: idOf(library),
        there: number(Number(indexedCount ?? 0)),
        all: number(Number(expectedCount ?? 0)),
      }),
    )
  );

function timesOf({ times, summary }) {
  const heard = summary?.queryAudio;
  const parts = [t("inAll", { time: took(times?.all ?? 0) })];
  if (heard?.format) {
    parts.push(t("heard", { length: length(seconds(heard.duration)), format: heard.format }));
  }
  return parts.join(" · ");
}

export function nothingFound(session) {
  const none = session.query?.words ? "nothingByWords" : "nothingAtAll";
  const why = session.minScore ? "nothingAbove" : none;
  const more = t(narrowed(session) ? "nothingFits" : why);
  return h("div", { class: "empty" }, icon("search"), h("h3", {}, t("nothing")), h("p", {}, more));
}
