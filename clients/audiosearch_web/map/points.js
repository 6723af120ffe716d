/** The points of a map in columns, and what is near what. */

import { length, seconds } from "../core/format.js";

/** Empty for a vector, which has none. */
const lengthOf = ({ duration }) => seconds(duration) ? length(seconds(duration)) : "";

export class MapPoints {
  constructor(points = []) {
    this.count = points.length;
    this.clips = points.map((point) => point.clip);
    this.names = points.map((point) =>
      point.displayName || point.clip.slice(point.clip.lastIndexOf("/") + 1)
    );
    this.labels = points.map((point) => point.label ?? "");
    this.speakers = points.map((point) => point.speaker ?? "");
    this.lengths = points.map(lengthOf);
    this.places = new Float32Array(2 * this.count);
    this.rows = new Map();
    points.forEach((point, row) => {
      this.places.set([point.x, point.y], 2 * row);
      this.rows.set(point.clip, row);
    });
    this.visible = new Uint8Array(this.count).fill(1);
  }

  /** The places of these points on another map, like `places`; a point that it lacks stays. */
  placesOn(other) {
    const places = this.places.slice();
    this.clips.forEach((clip, row) => {
      const there = other.rows.get(clip);
      if (there !== undefined) places.set(other.places.subarray(2 * there, 2 * there + 2), 2 * row);
    });
    return places;
  }

  /** Rows of the `most` visible points nearest to a place, the nearest first. */
  nearest(x, y, most, { except = -1, within = Infinity } = {}) {
    const found = [];
    let limit = within * within;
    for (let row = 0; row < this.count; row += 1) {
      const dx = this.places[2 * row] - x;
      const dy = this.places[2 * row + 1] - y;
      const far = dx * dx + dy * dy;
      if (far > limit || row === except || !this.visible[row]) continue;
      let at = found.length;
      while (at > 0 && found[at - 1].far > far) at -= 1;
      found.splice(at, 0, { row, far });
      if (found.length > most) found.pop();
      if (found.length === most) limit = found[most - 1].far;
    }
    return found.map(({ row }) => row);
  }

  /** The nearest visible point to one side of another, within 45 degrees; -1 if there is none. */
  beside(from, [sideX, sideY]) {
    const [x, y] = this.at(from);
    let best = -1;
    let least = Infinity;
    for (let row = 0; row < this.count; row += 1) {
      if (row === from || !this.visible[row]) continue;
      const dx = this.places[2 * row] - x;
      const dy = this.places[2 * row + 1] - y;
      const along = dx * sideX + dy * sideY;
      const across = Math.abs(dx * sideY - dy * sideX);
      const far = along + 2 * across;
      if (along > 0 && across <= along && far < least) [best, least] = [row, far];
    }
    return best;
  }

  at(row) {
    return [this.places[2 * row], this.places[2 * row + 1]];
  }

  /** Shows the points of which `test(row)` is true; how many these are. */
  show(test) {
    let shown = 0;
    for (let row = 0; row < this.count; row += 1) {
      this.visible[row] = test(row) ? 1 : 0;
      shown += this.visible[row];
    }
    return shown;
  }

  /** Values of a column and the count of each, the most frequent first, empty ones left out. */
  kinds(column) {
    const counts = new Map();
    for (const value of this[column]) if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  }
}
