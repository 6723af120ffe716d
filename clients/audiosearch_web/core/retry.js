/** The one rule of what is tried again by itself, and how long. */

import { onConnection } from "./connection.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 8000;
const GIVE_UP_MS = 300000;

/** True if the same may succeed in a moment. */
export const isTemporary = (error) =>
  /_BUSY$|_UNAVAILABLE$|^(CONNECTION_LOST|DEADLINE_EXCEEDED|STREAM_IDLE)$/.test(error.reason ?? "");

/** True if every other recording of the library would fail in the same way. */
export const failsAll = ({ reason }) =>
  /^(RIGHT_MISSING|KEY_MISSING|KEY_INVALID|LIBRARY_NOT_FOUND|MODEL_MISMATCH|STORAGE_FULL)$/.test(
    reason,
  );

/**
 * The answer of `call`, which is tried again for five minutes of a server that is there.
 * `onwait(error)` hears of the error that is waited for, and of null once it is over. The final
 * error is `lost` if the answer to any of the tries was.
 */
export async function withRetries(call, onwait) {
  let until = Date.now() + GIVE_UP_MS;
  let lost = false;
  const forget = onConnection((away) => {
    if (!away) until = Date.now() + GIVE_UP_MS;
  });
  try {
    for (let wait = FIRST_WAIT_MS;; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      try {
        const answer = await call();
        onwait(null);
        return answer;
      } catch (error) {
        lost ||= Boolean(error.lost);
        if (!isTemporary(error) || Date.now() > until) throw Object.assign(error, { lost });
        onwait(error);
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  } finally {
    forget();
  }
}
