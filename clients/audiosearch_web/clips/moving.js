/** Clips that are moved to another library, and voices enrolled with clips. */

import { api, ApiError, requestId } from "../core/api.js";
import { withRetries } from "../core/retry.js";
import { holdsVectors } from "../parts/vectors.js";

/** Libraries that clips of `library` can be moved to: others whose model hears them alike. */
export async function roomsFor(library) {
  const others = await api.libraries();
  return others.filter((each) =>
    each.name !== library.name && each.model === library.model && !holdsVectors(each)
  );
}

/**
 * Stores a clip in the library `to` with all that is told about it, then deletes it here. A sound
 * that is there already is not stored twice; it gets the words that it lacks.
 */
export async function move(clip, to) {
  if (clip.enrolledSpeaker) throw new ApiError(0, "ENROLLMENT_STAYS", "");
  const { uri } = clip; // its audio stays there, and no bytes are sent
  const audio = uri ? new Blob() : await api.audio(clip.name);
  const { displayName, label, speaker, metadata = {} } = clip;
  const about = { displayName, label, speaker, uri, channel: clip.channel || undefined };
  const { clip: there } = await api.upload(to, audio, { ...about, requestId: requestId() });
  const lacking = Object.entries({ label, speaker }).filter(([key, value]) => value && !there[key]);
  const known = there.metadata ?? {};
  if (Object.keys(metadata).some((key) => !(key in known))) {
    lacking.push(["metadata", { ...metadata, ...known }]);
  }
  if (lacking.length) await api.updateClip(there.name, Object.fromEntries(lacking));
  await api.deleteClip(clip.name, true);
}

/** Enrolls a speaker, new or not, with clips one by one: each is judged by those before. */
export async function enrollAll(name, displayName, clips, ontold) {
  const failures = [];
  for (const [place, clip] of clips.entries()) {
    try {
      await withRetries(
        () => api.enroll(name, { clip: clip.name, displayName: displayName || undefined }),
        () => {},
      );
    } catch (error) {
      failures.push(error);
    }
    ontold(place + 1);
  }
  return { failures };
}
