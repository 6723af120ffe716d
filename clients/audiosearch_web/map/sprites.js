/** Sprites: the pixels of a point of each kind, made once for a size. */

import { colorsNow, shapeOf } from "./kinds.js";

const FINE = 4;
const RIM = 0.72;
const DIM = 0.16;

/** True for places in [-1, 1] by [-1, 1] that belong to a shape, in the order of kinds.js. */
const SHAPES = [
  (x, y) => x * x + y * y <= 1,
  (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.88,
  (x, y) => Math.abs(x) + Math.abs(y) <= 1.08,
  (x, y) => y <= 0.8 && 0.475 + 0.96 * Math.abs(x) - 0.52 * y <= 1,
  (x, y) =>
    Math.min(Math.abs(x), Math.abs(y)) <= 0.36 && Math.max(Math.abs(x), Math.abs(y)) <= 0.96,
];

/** Share of a pixel of the grid `size` by `size` that a shape, shrunk by `part`, covers. */
function cover(shape, size, column, row, part) {
  let inside = 0;
  for (let fine = 0; fine < FINE * FINE; fine += 1) {
    const x = (2 * (column + ((fine % FINE) + 0.5) / FINE)) / size - 1;
    const y = (2 * (row + (Math.floor(fine / FINE) + 0.5) / FINE)) / size - 1;
    inside += SHAPES[shape](x / part, y / part) ? 1 : 0;
  }
  return inside / (FINE * FINE);
}

const mix = (from, to, share) => from.map((value, at) => value + (to[at] - value) * share);

/** A colour as one number, as the memory of an image has it. */
export const packed = ([red, green, blue]) =>
  ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

/** One kind's pixels: distances in an image `stride` wide, and their colours. */
function sprite(shape, fill, surface, size, stride) {
  const [steps, values] = [[], []];
  const half = Math.floor(size / 2);
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      const whole = cover(shape, size, column, row, 1);
      if (whole < 0.3) continue;
      // The rim lies between the colour and the ground: it sets apart what overlaps.
      const inner = size > 4 ? cover(shape, size, column, row, RIM) : whole;
      steps.push((row - half) * stride + column - half);
      values.push(packed(mix(surface, fill, 0.35 * whole + 0.65 * inner)));
    }
  }
  return { steps: Int32Array.from(steps), values: Uint32Array.from(values) };
}

/** The sprites of all kinds as they look now, `size` pixels wide: shown, and dimmed. */
export function sprites(size, stride) {
  const { kinds, surface } = colorsNow();
  const small = Math.max(2, Math.round(size * 0.55));
  return {
    ground: packed(surface),
    shown: kinds.map((color, index) => sprite(shapeOf(index), color, surface, size, stride)),
    dimmed: kinds.map((color) => sprite(0, mix(surface, color, DIM), surface, small, stride)),
  };
}
