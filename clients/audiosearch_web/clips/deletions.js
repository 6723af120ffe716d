/** Deletes clips, and brings them back from the trash when somebody thinks better of it. */

import { api } from "../core/api.js";
import { said } from "../core/failure.js";
import { number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { forEach } from "./for_each.js";
import { clips as strings } from "../strings/clips.js";
import { toast } from "../parts/toast.js";

const t = words(strings);
const going = new Set();

/** True for a clip, by its name, whose deletion is under way. */
export const isGoing = (name) => going.has(name);

/** True while deletions are under way: the page is not to be closed unasked. */
export const isDeleting = () => going.size > 0;

/**
 * Deletes clips and offers to undo it. `ongone()` hears that all have gone, `onback()` that some
 * have stayed, or come back.
 */
export async function deleteClips(clips, { ongone, onback }) {
  const gone = [];
  for (const { name } of clips) going.add(name);
  const { failures } = await forEach(clips, async (clip) => {
    await api.deleteClip(clip.name);
    gone.push(clip);
  });
  for (const { name } of clips) going.delete(name);
  if (failures.length) {
    const told = { count: number(clips.length - gone.length), why: said(failures[0]) };
    toast(t("deleteFailed", told), { kind: "error" });
  }
  if (gone.length) {
    const one = gone.length === 1 && gone[0].displayName;
    const told = one
      ? t("deletedOne", { name: one })
      : t("deleted", { count: number(gone.length) });
    const undo = { label: t("undo"), run: () => restoreClips(gone, onback) };
    toast(told, { action: await isKept(gone[0]) ? undo : undefined });
  }
  (failures.length ? onback : ongone)();
}

/** Brings clips back from the trash, tells `onback()` then, and `ontold(done)` how far it is. */
export async function restoreClips(clips, onback, ontold) {
  const { failures } = await forEach(clips, ({ name }) => api.restoreClip(name), ontold);
  if (failures.length) {
    const told = { count: number(failures.length), why: said(failures[0]) };
    toast(t("restoreFailed", told), { kind: "error" });
  }
  if (failures.length < clips.length) {
    toast(t("restored", { count: number(clips.length - failures.length) }));
  }
  onback();
}

/** True if a deleted clip is in the trash: a server can have none. */
async function isKept({ name }) {
  try {
    return (await api.clip(name)).state === "STATE_TRASHED";
  } catch {
    return false;
  }
}
