/** Deletes that can be undone: they are held back in this page for some seconds, then sent. */

import { api } from "../core/api.js";
import { said } from "../core/failure.js";
import { words } from "../core/i18n.js";
import { forEach } from "./for_each.js";
import { clips as strings } from "../strings/clips.js";
import { toast } from "../parts/toast.js";

const t = words(strings);
const held = new Set();

/** True for a clip, by its name, that is shown no more and may come back. */
export const isHeld = (name) => held.has(name);

/** True while something is still to be deleted: the page is not to be closed unasked. */
export const isDeleting = () => held.size > 0;

/**
 * Deletes clips once the note about it is gone. `onundo()` hears that they stay, `ondone()` that
 * they are deleted.
 */
export function deleteSoon(clips, { onundo, ondone }) {
  for (const { name } of clips) held.add(name);
  const one = clips.length === 1 && clips[0].displayName;
  toast(one ? t("deletedOne", { name: one }) : t("deleted", { count: clips.length }), {
    action: {
      label: t("undo"),
      run: () => {
        for (const { name } of clips) held.delete(name);
        onundo();
      },
    },
    ongone: async () => {
      const { failures } = await forEach(clips, async ({ name }) => {
        try {
          await api.deleteClip(name);
        } finally {
          held.delete(name);
        }
      });
      if (failures.length) {
        const why = said(failures[0]);
        toast(t("deleteFailed", { count: failures.length, why }), { kind: "error" });
      }
      ondone();
    },
  });
}
