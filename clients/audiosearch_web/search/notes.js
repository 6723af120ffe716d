/** Notes around the results: their number and times, and what to do when there are none. */

import { h, icon } from "../core/dom.js";
import { length, seconds, took } from "../core/format.js";
import { words } from "../core/i18n.js";
import { narrowed } from "./filters.js";
import { remarksOf } from "../parts/remarks.js";
import { search } from "../strings/search.js";

const t = words(search);

/** The head of the results of a session; `onchannel(number)` hears of another channel. */
export const summaryOf = (session, onchannel) => [
  h("h2", {}, t("found", { count: session.matches.length })),
  h("p", { class: "quiet times" }, timesOf(session)),
  ...remarksOf(session.summary?.queryAudio, session.channel, onchannel),
];

function timesOf({ times, summary }) {
  const heard = summary?.queryAudio;
  const parts = [t("inAll", { time: took(times?.all ?? 0) })];
  if (heard?.format) {
    parts.push(t("heard", { length: length(seconds(heard.duration)), format: heard.format }));
  }
  return parts.join(" · ");
}

export function nothingFound(session) {
  const why = session.minScore ? "nothingAbove" : "nothingAtAll";
  const more = t(narrowed(session) ? "nothingFits" : why);
  return h("div", { class: "empty" }, icon("search"), h("h3", {}, t("nothing")), h("p", {}, more));
}
