/** The stretches of a long recording that are like the query: each is told, and played. */

import { h, icon } from "../core/dom.js";
import { seconds } from "../core/format.js";
import { words } from "../core/i18n.js";
import { clock } from "../parts/clock.js";
import { search } from "../strings/search.js";

const t = words(search);
/** Lengths that differ by less are the same: a duration is rounded on its way. */
const SAME = 0.05;

/**
 * The stretches of a match as `{from, to, queryFrom, queryTo, asPart}`, the best first. `asPart` is
 * true of less than the whole clip.
 */
export function stretchesOf({ clip, segments = [] }) {
  const whole = seconds(clip.audio?.duration) ?? 0;
  return segments.map((segment) => {
    const from = seconds(segment.startOffset) ?? 0;
    const to = seconds(segment.endOffset) ?? 0;
    return {
      from,
      to,
      queryFrom: seconds(segment.queryStartOffset),
      queryTo: seconds(segment.queryEndOffset),
      asPart: to - from < whole - SAME,
    };
  });
}

/** 01:12 – 01:17; with tenths where it would else be one second twice. */
export function span(from, to) {
  const digits = clock(from) === clock(to) ? 1 : 0;
  return `${clock(from, digits)} – ${clock(to, digits)}`;
}

/**
 * The row with a button and a link for each stretch, or null without any: `onplay(from)` hears of a
 * choice, and `again(from, to)` is the address of a search with the stretch alone. `asked` is the
 * length of the query: a stretch that is like a part of it says which.
 */
export function stretchRow(stretches, { name, asked, onplay, again }) {
  const told = stretches
    .map(({ from, to, asPart, queryFrom, queryTo }) => [
      asPart && playButton(span(from, to), name, () => onplay(from)),
      asPart && againLink(span(from, to), name, again(from, to)),
      queryTo - queryFrom < asked - SAME &&
      h("span", { class: "quiet" }, t("likePart", { span: span(queryFrom, queryTo) })),
    ])
    .filter((parts) => parts.some(Boolean));
  if (!told.length) return null;
  return h(
    "div",
    { class: "stretches", role: "group", "aria-label": t("stretches", { name }) },
    told.map((parts) => h("span", { class: "stretch" }, parts)),
  );
}

const againLink = (written, name, href) =>
  h(
    "a",
    {
      class: "icon-button",
      href,
      "aria-label": t("againWithPart", { name, span: written }),
      title: t("againWithPartShort"),
    },
    icon("search"),
  );

const playButton = (written, name, onclick) =>
  h(
    "button",
    { type: "button", class: "button small", onclick },
    icon("play"),
    h("span", {}, h("span", { class: "unseen" }, `${t("hear", { name })} `), written),
  );
