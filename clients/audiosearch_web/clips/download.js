/** Many recordings as one file. */

import { api } from "../core/api.js";
import { h } from "../core/dom.js";
import { said } from "../core/failure.js";
import { idOf, number, size } from "../core/format.js";
import { forEach } from "./for_each.js";
import { words } from "../core/i18n.js";
import { clips as strings } from "../strings/clips.js";
import { toast } from "../parts/toast.js";
import { isVector } from "../parts/vectors.js";
import { Zip } from "./zip.js";

const t = words(strings);
const MOST_BYTES = 500e6;

/** Has the browser save `content`, a Blob, under a name. */
export function save(content, name) {
  const url = URL.createObjectURL(content);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/** Saves the recordings of clips of one library as a zip; `ontold(done)` hears how far it is. */
export async function saveZip(all, ontold) {
  const clips = all.filter((clip) => !isVector(clip));
  if (!clips.length) return;
  const bytes = clips.reduce((sum, clip) => sum + Number(clip.audioObject?.sizeBytes ?? 0), 0);
  if (bytes > MOST_BYTES) {
    toast(t("tooLarge", { size: size(bytes), most: size(MOST_BYTES) }), { kind: "error" });
    return;
  }
  const zip = new Zip();
  const { failures } = await forEach(clips, async (clip) => {
    const audio = await api.audio(clip.name);
    await zip.add(clip.displayName || idOf(clip.name), audio);
  }, ontold);
  if (failures.length < clips.length) save(zip.blob, `${clips[0].name.split("/")[1]}.zip`);
  if (failures.length) tellFailed(failures);
}

/** Tells of clips of many that failed, and why the first one did. */
export function tellFailed(failures) {
  const told = { count: number(failures.length), why: said(failures[0]) };
  toast(t("failed", told), { kind: "error" });
}
