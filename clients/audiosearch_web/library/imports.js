/** Imports that this page knows of: they go on while other pages are shown. */

const listeners = new Set();
const known = new Set();

/** Calls `listener()` whenever one has moved on; answers with a function that ends it. */
export function onImports(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function tellImports() {
  for (const listener of listeners) listener();
}

export function addImport(work) {
  known.add(work);
  tellImports();
}

export function forgetImport(work) {
  known.delete(work);
  tellImports();
}

const IDLE = new Set(["done", "cancelled", "failed"]);

/** True if an import is over. */
export const isOver = ({ state }) => IDLE.has(state.status);

/** Those that are not over. */
export const running = () => [...known].filter((work) => !isOver(work));

/** Those of a library, also the ones that are over. */
export const importsOf = (library) => [...known].filter(({ state }) => state.library === library);

const WINDOW_MS = 15000;

/** The speed of something over the last seconds. */
export class Rate {
  #marks = [{ at: performance.now(), done: 0 }];

  /** Notes that `done` are done now. */
  mark(done) {
    const now = performance.now();
    this.#marks.push({ at: now, done });
    while (this.#marks.length > 2 && now - this.#marks[0].at > WINDOW_MS) this.#marks.shift();
  }

  /** Begins anew after a pause. */
  restart(done) {
    this.#marks = [{ at: performance.now(), done }];
  }

  /** The number done in a second; undefined before there is anything to judge by. */
  perSecond() {
    const [first] = this.#marks;
    const last = this.#marks.at(-1);
    const passed = (last.at - first.at) / 1000;
    return passed > 0.2 ? (last.done - first.done) / passed : undefined;
  }
}
