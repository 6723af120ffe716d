/** The colour and shape of each point: the most frequent labels or speakers have their own. */

import { color } from "../core/theme.js";

/** Colours of the style sheet, from --series-1 on; one more is for all other kinds. */
export const OWN = 9;
const OTHER = OWN;
const NONE = OWN + 1;
/** The first four in turn for kinds of their own, the last for all others. */
export const SHAPES = ["disc", "square", "diamond", "triangle", "cross"];

/** `[{index, value, count, kind}]` in the order of a legend, and `of`, the index of each row. */
export function kindsOf(points, column) {
  const all = points.kinds(column);
  const own = all.slice(0, all.length === OWN + 1 ? OWN + 1 : OWN);
  const index = new Map(own.map(([value], place) => [value, place]));
  const none = all.length ? NONE : 0; // where nothing has a value, all have the first colour
  const of = Uint8Array.from(points[column], (value) => (value ? index.get(value) ?? OTHER : none));
  const entries = own.map(([value, count], place) => ({ index: place, value, count, kind: "own" }));
  const others = all.slice(own.length);
  const sum = (total, [, count]) => total + count;
  if (others.length) {
    entries.push({
      index: OTHER,
      count: others.reduce(sum, 0),
      values: others.length,
      kind: "other",
    });
  }
  const named = all.reduce(sum, 0);
  if (named < points.count) {
    entries.push({ index: none, count: points.count - named, kind: "none" });
  }
  return { entries, of };
}

export const shapeOf = (
  index,
) => (index >= OTHER ? SHAPES.length - 1 : index % (SHAPES.length - 1));

/** Name of a kind's colour in the style sheet. */
export const colorName = (index) => (index === NONE ? "--line-strong" : `--series-${index + 1}`);

/** The present colours of the kinds and the ground, as [red, green, blue] from 0 to 255. */
export function colorsNow() {
  const kinds = Array.from({ length: NONE + 1 }, (_, index) => rgb(color(colorName(index))));
  return { kinds, surface: rgb(color("--surface")) };
}

const rgb = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
