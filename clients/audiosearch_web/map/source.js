/** Fetches a map, and asks for it again as long as the page is open. */

import { api } from "../core/api.js";
import { MapPoints } from "./points.js";

const WORKING_MS = 1500;
const QUIET_MS = 20000;

/**
 * Calls `onmap(map, points)` until `signal` ends it; `points` is undefined while they have not
 * changed.
 */
export async function followMap(library, { onmap, onerror, signal }) {
  let etag;
  while (!signal.aborted) {
    let wait = QUIET_MS;
    try {
      const map = await wholeMap(library, etag, signal);
      if (signal.aborted) return;
      const known = etag !== undefined && map.etag === etag;
      onmap(map, known || map.state === "STATE_PENDING" ? undefined : new MapPoints(map.points));
      etag = map.etag || undefined;
      if (map.state !== "STATE_READY" && !map.failure) wait = WORKING_MS;
    } catch (error) {
      if (signal.aborted) return;
      // A map that has changed between two pages is asked for anew.
      if (error.reason !== "FIELD_INVALID") onerror(error);
      if (!etag && error.reason !== "FIELD_INVALID") return;
    }
    await pause(wait, signal);
  }
}

/** All pages of a map as one. */
async function wholeMap(library, etag, signal) {
  const map = await api.map(library, { etag }, signal);
  let page = map;
  while (page.nextPageToken) {
    page = await api.map(library, { pageToken: page.nextPageToken }, signal);
    for (const point of page.points) map.points.push(point);
  }
  return map;
}

/** Waits; a page that is not seen waits until it is. */
function pause(wait, signal) {
  return new Promise((resolve) => {
    const timer = setInterval(() => document.visibilityState === "visible" && end(), wait);
    const end = () => (clearInterval(timer), resolve());
    signal.addEventListener("abort", end, { once: true });
  });
}
