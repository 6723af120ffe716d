/**
 * Paints points: pixel by pixel into one image, which is put on the canvas as a whole. For 20,000
 * points that is faster than the canvas' own shapes, and needs no graphics processor.
 */

import { h } from "../core/dom.js";
import { sprites } from "./sprites.js";
import { calm } from "../core/theme.js";

const MOVE_MS = 900;
const PAD = 64; // pixels around the image, so that what is cut by its edge needs no care

export class MapCanvas {
  #points;
  #of;
  #from;
  #began = -Infinity;
  #asked = 0;
  #image;
  #pixels;
  #sprites;
  #look = "";
  #watch = new ResizeObserver(() => this.#resized());

  /** `onframe()` is called with each painting, to move what lies above the canvas along. */
  constructor(view, onframe) {
    this.view = view;
    this.onframe = onframe;
    this.node = h("canvas", { class: "map-canvas" });
    this.context = this.node.getContext("2d", { alpha: false });
    this.#watch.observe(this.node);
  }

  /**
   * Shows points with `of`, the index of the kind of each. They move there from their places on
   * `before`.
   */
  show(points, of, before) {
    this.#points = points;
    this.#from = before ? points.placesOn(before) : points.places;
    this.#began = before && !calm() ? performance.now() : -Infinity;
    this.restyle(of);
  }

  /** Takes over colours, kinds and what is visible. */
  restyle(of = this.#of) {
    this.#of = of;
    this.#look = "";
    this.draw();
  }

  /** Paints with the next frame. */
  draw() {
    this.#asked ||= requestAnimationFrame(() => this.#frame());
  }

  leave() {
    cancelAnimationFrame(this.#asked);
    this.#watch.disconnect();
  }

  /** Width of a point in pixels of the page. */
  get size() {
    const count = this.#points?.count ?? 0;
    const base = count > 5000 ? 6 : count > 800 ? 8 : count > 100 ? 11 : 15;
    return base * Math.min(2.5, Math.max(1, this.view.zoom ** 0.35));
  }

  #resized() {
    const { width, height } = this.node.getBoundingClientRect();
    this.view.resize(width, height);
    this.draw();
  }

  #frame() {
    this.#asked = 0;
    if (!this.#points) return;
    const share = Math.min(1, (performance.now() - this.#began) / MOVE_MS);
    this.#prepare();
    this.#paint(share * share * (3 - 2 * share));
    this.context.putImageData(this.#image, -PAD, -PAD);
    this.onframe();
    if (share < 1) this.draw();
  }

  /** An image of the right size and points of the right look. */
  #prepare() {
    const { node, view } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
    if (node.width !== width || node.height !== height || !this.#image) {
      Object.assign(node, { width, height });
      this.#image = new ImageData(width + 2 * PAD, height + 2 * PAD);
      this.#pixels = new Uint32Array(this.#image.data.buffer);
    }
    const size = Math.max(3, Math.min(PAD, Math.round(this.size * ratio)));
    const look = `${size} ${this.#image.width}`;
    if (look !== this.#look) this.#sprites = sprites(size, this.#image.width);
    this.#look = look;
  }

  #paint(share) {
    const { ground, shown, dimmed } = this.#sprites;
    const { visible } = this.#points;
    this.#pixels.fill(ground);
    // Dimmed points lie below all others.
    if (visible.includes(0)) this.#paintAll(dimmed, 0, share);
    this.#paintAll(shown, 1, share);
  }

  #paintAll(kinds, turn, share) {
    const { count, places, visible } = this.#points;
    const { view } = this;
    const [from, of, pixels, stride] = [this.#from, this.#of, this.#pixels, this.#image.width];
    const [width, height] = [stride - 2 * PAD, this.#image.height - 2 * PAD];
    const scale = view.scale * (width / view.width);
    const half = PAD / 2;
    for (let row = 0; row < count; row += 1) {
      if (visible[row] !== turn) continue;
      const mapX = from[2 * row] + (places[2 * row] - from[2 * row]) * share;
      const mapY = from[2 * row + 1] + (places[2 * row + 1] - from[2 * row + 1]) * share;
      const x = Math.round(width / 2 + (mapX - view.x) * scale);
      const y = Math.round(height / 2 - (mapY - view.y) * scale);
      if (x < -half || y < -half || x >= width + half || y >= height + half) continue;
      const { steps, values } = kinds[of[row]];
      const at = (y + PAD) * stride + x + PAD;
      for (let pixel = 0; pixel < steps.length; pixel += 1) {
        pixels[at + steps[pixel]] = values[pixel];
      }
    }
  }
}
