/** Calls that wait where the server is busy or lacks a service. */

import { passing } from "./api.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 8000;
const GIVE_UP_MS = 300000;

/** What every other recording of a library would meet as well. */
export const meetsAll = ({ reason }) =>
  /^(RIGHT_MISSING|KEY_MISSING|KEY_INVALID|LIBRARY_NOT_FOUND|MODEL_MISMATCH|STORAGE_FULL)$/.test(
    reason,
  );

/**
 * What `call` answers with, tried again for five minutes; `onwait(error)` hears of what is waited
 * for, and of null once it is over.
 */
export async function patiently(call, onwait) {
  const until = Date.now() + GIVE_UP_MS;
  for (let wait = FIRST_WAIT_MS;; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      const answer = await call();
      onwait(null);
      return answer;
    } catch (error) {
      if (!passing(error) || Date.now() > until) throw error;
      onwait(error);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
