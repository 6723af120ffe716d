/** Pointers on the map: drag, wheel and two fingers move it; rest and click choose. */

const SLOP_PX = 5;
const WHEEL = 1.0018;
const REACH_PX = 14;

export class MapPointer {
  #pointers = new Map();
  #moved = 0;
  #several = false;

  /**
   * `on`: `move()` after the view changed, `rest(row, event)` for the point below a mouse, and
   * `pick(row, event)`.
   */
  constructor(node, view, points, on) {
    Object.assign(this, { node, view, points, on });
    node.addEventListener("pointerdown", (event) => this.#down(event));
    node.addEventListener("pointermove", (event) => this.#move(event));
    node.addEventListener("pointerup", (event) => this.#up(event));
    node.addEventListener("pointercancel", (event) => this.#pointers.delete(event.pointerId));
    node.addEventListener(
      "pointerleave",
      (event) => event.pointerType === "mouse" && on.rest(-1, event),
    );
    node.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** The point at a place of the page; -1 if there is none. */
  below(event) {
    const [px, py] = this.#at(event);
    const within = REACH_PX / this.view.scale;
    const [row = -1] = this.points().nearest(...this.view.toMap(px, py), 1, { within });
    return row;
  }

  #at(event) {
    const box = this.node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    if (event.button) return;
    this.node.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#at(event));
    if (this.#pointers.size === 1) [this.#moved, this.#several] = [0, false];
    else this.#several = true;
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") this.on.rest(this.below(event), event);
      return;
    }
    const now = this.#at(event);
    const others = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, place]) =>
      place
    );
    this.#pointers.set(event.pointerId, now);
    this.#moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (this.#moved < SLOP_PX && !this.#several) return;
    if (others.length) this.#pinch(before, now, others[0]);
    else this.view.pan(now[0] - before[0], now[1] - before[1]);
    this.on.rest(-1, event);
    this.on.move();
  }

  #pinch(before, now, other) {
    const apart = (place) => Math.max(20, Math.hypot(place[0] - other[0], place[1] - other[1]));
    this.view.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.view.zoomAt(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  #up(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    if (this.#moved >= SLOP_PX || this.#several) return;
    this.on.pick(this.below(event), event);
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode ? 16 : 1;
    this.view.zoomAt(
      WHEEL ** (-event.deltaY * lines * (event.ctrlKey ? 6 : 1)),
      ...this.#at(event),
    );
    this.on.rest(-1, event);
    this.on.move();
  }
}
