/** Sources of sounds: a stored clip, or a file or recording of this browser. */

import { api } from "../core/api.js";
import { idOf, seconds } from "../core/format.js";

/** Larger ones are not fetched for their picture alone. */
export const DRAWN_BYTES = 16 * 1024 * 1024;
/** Longer ones are never decoded here: a browser does that at once, at full rate, in memory. */
export const DRAWN_SECONDS = 600;
const KEPT_BYTES = 96 * 1024 * 1024;

const kept = new Map();
let held = 0;
let files = 0;

/**
 * A source: `key` tells sounds apart, `name` is for people, `bytes` and `seconds` say how large and
 * long it is, `blob(signal)` fetches it, `peaks(signal)` the outline of a stored one alone, `url()`
 * promises the address that it can be played from while it comes, if there is one.
 */
export function clipSource(clip) {
  const stored = clip.audioObject;
  return {
    key: `${clip.name} ${stored?.sha256 ?? ""}`,
    name: clip.displayName || idOf(clip.name),
    bytes: Number(stored?.sizeBytes ?? 0),
    seconds: seconds(clip.audio?.duration),
    blob: (signal) => fetched(clip.name, signal),
    url: () => api.mediaUrl(clip.name),
    peaks: (signal) => api.peaks(clip.name, signal),
    clip,
  };
}

export function fileSource(blob, name) {
  files += 1;
  return {
    key: `file ${files}`,
    name,
    bytes: blob.size,
    seconds: undefined,
    blob: () => Promise.resolve(blob),
    url: () => Promise.resolve(undefined),
    file: blob,
  };
}

/** The audio of a clip; the ones used last stay in memory, up to a limit. */
async function fetched(name, signal) {
  const known = kept.get(name);
  if (known) {
    kept.delete(name);
    kept.set(name, known);
    return known;
  }
  const blob = await api.audio(name, signal);
  if (blob.size <= DRAWN_BYTES) keep(name, blob);
  return blob;
}

function keep(name, blob) {
  if (kept.has(name)) return;
  kept.set(name, blob);
  held += blob.size;
  for (const [oldest, old] of kept) {
    if (held <= KEPT_BYTES) return;
    kept.delete(oldest);
    held -= old.size;
  }
}
