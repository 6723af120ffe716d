/** The same done with many clips, some at once. */

import { failsAll, withRetries } from "../core/retry.js";

const AT_ONCE = 4;

/**
 * Runs `work(clip, place)` with each; `ontold(done)` hears how far it is. Answers with the errors
 * of those that failed, and stops early where all others would fail alike.
 */
export async function forEach(clips, work, ontold = () => {}) {
  const failures = [];
  let next = 0, done = 0;
  const run = async () => {
    while (next < clips.length) {
      const place = next;
      next += 1;
      try {
        await withRetries(() => work(clips[place], place), () => {});
      } catch (error) {
        failures.push(error);
        if (failsAll(error)) next = clips.length;
      }
      done += 1;
      ontold(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
  return { failures };
}
