/** Remarks about audio that was heard all the same. */

import { h } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { channelButtons } from "./channels.js";
import { strings } from "../strings/sound.js";

const t = words(strings);
const UNLIKE = "AUDIO_REMARK_UNLIKE_CHANNELS_MIXED";

/** Sentences for the remarks about `audio`, the properties in an answer. */
export const remarksInWords = (audio) =>
  (audio?.remarks ?? []).filter((remark) => strings.en[remark]).map((remark) => t(remark));

/** The same for counts of files by remark, as `{path, message}`: the number stands for the path. */
export const remarkCountsInWords = (counts = {}) =>
  Object.entries(counts)
    .filter(([remark]) => strings.en[remark])
    .map(([remark, count]) => ({ path: t("files", { count: Number(count) }), message: t(remark) }));

/**
 * Nodes with the remarks about `audio`, the properties in an answer. If its channels are unlike, or
 * one was chosen, `onchannel(number)` is offered; `channel` is the one that was heard, 0 for all.
 */
export function remarksOf(audio, channel, onchannel) {
  const told = audio?.remarks ?? [];
  const notes = remarksInWords(audio).map((text) => h("p", { class: "quiet" }, text));
  const choosable = audio?.channels > 1 && (channel || told.includes(UNLIKE));
  return choosable ? [...notes, channelButtons(audio.channels, channel, onchannel)] : notes;
}
