/** Remarks about audio that was heard all the same, and the choice of one of its channels. */

import { h } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { strings } from "../strings/sound.js";

const t = words(strings);
const UNLIKE = "AUDIO_REMARK_UNLIKE_CHANNELS_MIXED";
const MOST = 8;

/** Sentences for the remarks about `audio`, the properties in an answer. */
export const remarksInWords = (audio) =>
  (audio?.remarks ?? []).map((remark) => t(remark)).filter(Boolean);

/**
 * Nodes with the remarks about `audio`, the properties in an answer. If its channels are unlike, or
 * one was chosen, `onchannel(number)` is offered; `channel` is the one that was heard, 0 for all.
 */
export function remarksOf(audio, channel, onchannel) {
  const told = audio?.remarks ?? [];
  const notes = remarksInWords(audio).map((text) => h("p", { class: "quiet" }, text));
  const choosable = audio?.channels > 1 && (channel || told.includes(UNLIKE));
  return choosable ? [...notes, choice(audio.channels, channel, onchannel)] : notes;
}

function choice(channels, channel, onchannel) {
  const radio = (number) =>
    h(
      "label",
      { class: "segment" },
      h("input", {
        type: "radio",
        name: "channel",
        value: number,
        checked: number === channel,
        onchange: () => onchannel(number),
      }),
      h("span", {}, nameOf(number, channels)),
    );
  const numbers = Array.from({ length: Math.min(channels, MOST) + 1 }, (_, number) => number);
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "field-label" }, t("channel")),
    numbers.map(radio),
  );
}

function nameOf(number, channels) {
  if (!number) return t("mixed");
  if (channels === 2) return t(number === 1 ? "left" : "right");
  return t("numbered", { number });
}
