/** The part of the map that is seen: a middle in the map's own measure, and pixels for one unit. */

const FIT = 0.94;
const CLOSEST = 400;

export class MapView {
  constructor() {
    this.width = this.height = 1;
    this.fit();
  }

  /** The whole map. */
  fit() {
    Object.assign(this, { x: 0, y: 0, zoom: 1 });
  }

  resize(width, height) {
    Object.assign(this, { width: Math.max(width, 1), height: Math.max(height, 1) });
  }

  /** Pixels of the page for one unit. */
  get scale() {
    return (this.zoom * FIT * Math.min(this.width, this.height)) / 2;
  }

  /** The place on the map of a pixel of the canvas. */
  toMap(px, py) {
    return [
      this.x + (px - this.width / 2) / this.scale,
      this.y - (py - this.height / 2) / this.scale,
    ];
  }

  /** The place on the canvas of a place of the map. */
  toPixels(x, y) {
    return [
      this.width / 2 + (x - this.x) * this.scale,
      this.height / 2 - (y - this.y) * this.scale,
    ];
  }

  pan(dx, dy) {
    this.#middle(this.x - dx / this.scale, this.y + dy / this.scale);
  }

  /** Zooms by a factor; what is at the pixel stays there. */
  zoomAt(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toMap(px, py);
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), CLOSEST);
    const [nowX, nowY] = this.toMap(px, py);
    this.#middle(this.x + x - nowX, this.y + y - nowY);
  }

  /** Moves as far as needed to see a place well inside. */
  reveal(x, y) {
    const margin = 0.8;
    const halfX = (margin * this.width) / 2 / this.scale;
    const halfY = (margin * this.height) / 2 / this.scale;
    this.#middle(
      Math.min(Math.max(this.x, x - halfX), x + halfX),
      Math.min(Math.max(this.y, y - halfY), y + halfY),
    );
  }

  #middle(x, y) {
    this.x = Math.min(Math.max(x, -1.2), 1.2);
    this.y = Math.min(Math.max(y, -1.2), 1.2);
  }
}
