/** The connection: waits until the server answers. However many calls wait, one asks. */

const FIRST_WAIT = 400;
const LONGEST_WAIT = 5000;

let waiting = null;
let nudge = () => {};
const listeners = new Set();

/** Calls `listener(away)` when the server goes away and when it is back. */
export function onConnection(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Asks again at once. */
export const tryNow = () => nudge();

/** Settles when `probe` succeeds, with whether it was gone; rejects when `signal` aborts before. */
export function whenBack(probe, signal) {
  waiting ??= ask(probe).finally(() => {
    waiting = null;
  });
  return signal ? Promise.race([waiting, aborted(signal)]) : waiting;
}

async function ask(probe) {
  let away = false;
  for (let wait = FIRST_WAIT; !(await probe()); wait = Math.min(wait * 1.6, LONGEST_WAIT)) {
    // Once may be a slip of the network: nobody is told of that.
    if (wait > FIRST_WAIT && !away) tell(away = true);
    await new Promise((resolve) => {
      nudge = resolve;
      setTimeout(resolve, wait);
    });
  }
  if (away) tell(false);
  return away;
}

function tell(away) {
  for (const listener of listeners) listener(away);
}

function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

window.addEventListener("online", tryNow);
