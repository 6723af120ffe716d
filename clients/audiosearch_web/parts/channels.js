/** Channels of recordings: the choice of the one that is heard. */

import { field, h } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { strings } from "../strings/sound.js";

const t = words(strings);
const MOST = 8;

/** Buttons for a recording of so many channels; `onchoose(number)` hears of another, 0 for all. */
export function channelButtons(channels, chosen, onchoose) {
  const radio = (number) =>
    h(
      "label",
      { class: "segment" },
      h("input", {
        type: "radio",
        name: "channel",
        value: number,
        checked: number === chosen,
        onchange: () => onchoose(number),
      }),
      h("span", {}, nameOf(number, channels)),
    );
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "field-label" }, t("channel")),
    numbers(channels).map(radio),
  );
}

/** A field for files that nobody has heard yet: `value` is the channel of them all, 0 for all. */
export function channelField() {
  const select = h(
    "select",
    {},
    numbers(MOST).map((number) => h("option", { value: String(number) }, nameOf(number, 2))),
  );
  return {
    node: field(t("channel"), select),
    get value() {
      return Number(select.value);
    },
  };
}

const numbers = (channels) =>
  Array.from({ length: Math.min(channels, MOST) + 1 }, (_, number) => number);

function nameOf(number, channels) {
  if (!number) return t("mixed");
  if (channels === 2 && number <= 2) return t(number === 1 ? "left" : "right");
  return t("numbered", { number });
}
