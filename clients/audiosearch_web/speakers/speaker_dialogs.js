/** Dialogs about a speaker: enrolling one, renaming it, deleting it. */

import { api, ApiError } from "../core/api.js";
import { open } from "../parts/dialog.js";
import { field, h } from "../core/dom.js";
import { enrollmentOf } from "./enrollment.js";
import { failureBox } from "../core/failure.js";
import { idOf } from "../core/format.js";
import { words } from "../core/i18n.js";
import { nameAndId } from "../core/ids.js";
import { address, go } from "../core/router.js";
import { calledSpeaker } from "./speaker_rows.js";
import { strings } from "../strings/speakers.js";
import { toast } from "../parts/toast.js";

const t = words(strings);

/**
 * Asks who is to be enrolled, begins with `recording`, `{source, channel}`, if there is one, and
 * goes to the speaker's page.
 */
export async function enrollSomebody(library, recording) {
  const { name, id } = nameAndId();
  const done = await open({
    title: t("enrollTitle"),
    body: [
      h("p", {}, recording ? t("enrollWith", { name: recording.source.name }) : t("enrollHow")),
      field(t("nameOf"), name),
      field(t("idOf"), id, t("idNote")),
    ],
    confirm: t("goOn"),
    focus: name,
    failed: (error) => refusal(error, library, id.value),
    work: () => requireFree(`libraries/${library}/speakers/${id.value}`),
  });
  if (!done) return;
  const called = name.value.trim() === id.value ? "" : name.value.trim();
  const enrollment = enrollmentOf(`libraries/${library}/speakers/${id.value}`);
  Object.assign(enrollment, { displayName: called, exists: false });
  if (recording) enrollment.add([recording]);
  go("speakers", { library, speaker: id.value, name: called });
}

async function requireFree(name) {
  try {
    await api.speaker(name);
  } catch (error) {
    if (error.reason === "SPEAKER_NOT_FOUND") return;
    throw error;
  }
  throw new ApiError(0, "SPEAKER_EXISTS", "");
}

/** Somebody who is there already is not mixed up with somebody else: there is a link to look. */
function refusal(error, library, id) {
  const box = failureBox(error);
  if (error.reason === "SPEAKER_EXISTS") {
    box.append(
      h(
        "a",
        {
          href: address("speakers", { library, speaker: id }),
          onclick: () => box.closest("dialog").close(),
        },
        t("lookAt", { id }),
      ),
    );
  }
  return box;
}

/** Asks for another name of a speaker; answers with the speaker as it is then, or null. */
export async function renameSpeaker(speaker) {
  const name = h("input", {
    maxLength: 255,
    value: speaker.displayName || "",
    autocomplete: "off",
  });
  let renamed = null;
  await open({
    title: t("rename"),
    body: field(t("nameOf"), name, t("idStays", { id: idOf(speaker.name) })),
    confirm: t("save"),
    focus: name,
    failed: failureBox,
    work: async () => {
      renamed = await api.updateSpeaker(speaker.name, { displayName: name.value.trim() });
    },
  });
  return renamed;
}

/** Asks whether a speaker is to go, and its recordings with it; true when it is gone. */
export async function deleteSpeaker(speaker) {
  const clips = h("input", { type: "checkbox" });
  const name = calledSpeaker(speaker);
  const count = speaker.enrollmentCount ?? 0;
  const done = await open({
    title: t("deleteTitle", { name }),
    body: [
      h("p", {}, t("deleteWhat", { name })),
      count > 0 && h("label", { class: "check" }, clips, t("deleteClips", { count })),
    ].filter(Boolean),
    confirm: t("delete"),
    danger: true,
    failed: failureBox,
    work: () => api.deleteSpeaker(speaker.name, clips.checked),
  });
  if (done) toast(t("deleted", { name }));
  return done;
}
