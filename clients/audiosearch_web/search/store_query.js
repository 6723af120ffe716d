/** Stores a query of this browser in a library: a link needs one that is stored. */

import { api, requestId } from "../core/api.js";
import { open } from "../parts/dialog.js";
import { field, h } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { words } from "../core/i18n.js";
import { search } from "../strings/search.js";
import { toast } from "../parts/toast.js";

const t = words(search);

/** Asks for name, label and speaker, stores the sound, and calls `stored(clip)`. */
export async function storeQuery(source, library, stored) {
  const name = h("input", { value: source.name.slice(0, 255), maxLength: 255, required: true });
  const label = h("input", { maxLength: 255 });
  const speaker = h("input", { maxLength: 255 });
  const id = requestId();
  let answer;
  const done = await open({
    title: t("keepTitle"),
    body: [
      h("p", {}, t("keepWhy", { library })),
      field(t("name"), name),
      field(t("label"), label),
      field(t("speaker"), speaker),
    ],
    confirm: t("keep"),
    focus: name,
    failed: failureBox,
    work: async () => {
      answer = await api.upload(`libraries/${library}`, source.file, {
        displayName: name.value,
        label: label.value,
        speaker: speaker.value,
        requestId: id,
      });
    },
  });
  if (!done) return;
  if (!answer.created) toast(t("keptBefore", { name: answer.clip.displayName }));
  stored(answer.clip);
}
