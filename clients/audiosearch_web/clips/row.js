/** A clip as a row of a library, and what can be done with it. */

import { api } from "../core/api.js";
import { open } from "../parts/dialog.js";
import { field, h, icon, iconButton } from "../core/dom.js";
import { failureBox, inWords, said } from "../core/failure.js";
import { idOf, moment, size } from "../core/format.js";
import { words } from "../core/i18n.js";
import { chips, whoLink } from "../parts/labels.js";
import { address } from "../core/router.js";
import { Sound } from "../parts/sound.js";
import { clipSource } from "../parts/sources.js";
import { library as strings } from "../strings/library.js";
import { toast } from "../parts/toast.js";
import { isVector, noSound } from "../parts/vectors.js";

const t = words(strings);

/**
 * `{clip, node, sound, again}`: `onchange(clip)` hears of another name or label, `ondelete()` that
 * it is to be deleted. `box(clip, name)` gives the box that selects it. With `detach`, a function,
 * the row is one of a speaker's enrollments, and `detach` takes the clip out of them. `voices` is
 * true where it makes sense to ask whose voice a clip is.
 */
export function clipRow(clip, { onchange, ondelete, detach, voices, box }) {
  const name = clip.displayName || idOf(clip.name);
  const active = clip.state === "STATE_ACTIVE";
  const sound = active && !isVector(clip) ? new Sound(clipSource(clip)) : null;
  const [, library] = clip.name.split("/");
  const again = active ? address("search", { library, clip: idOf(clip.name) }) : undefined;
  const node = h(
    "li",
    { class: `sound clip clip-${clip.state?.slice(6).toLowerCase()}`, tabindex: "-1" },
    box?.(clip, name),
    sound?.button ?? (active ? noSound() : noPlay(clip)),
    h(
      "div",
      { class: "sound-words" },
      h("span", { class: "sound-name", title: clip.source || name }, name),
      chips(detach ? { ...clip, enrolledSpeaker: "", speaker: "" } : clip),
    ),
    sound?.wave ?? h("p", { class: "clip-why" }, active ? "" : why(clip)),
    h(
      "div",
      { class: "clip-about" },
      sound?.time,
      active &&
        h(
          "span",
          { class: "quiet", title: moment(clip.createTime) },
          clip.uri ? "" : size(clip.audioObject?.sizeBytes),
        ),
    ),
    h(
      "div",
      { class: "clip-actions" },
      sound && !detach && voices && whoLink(clip, name),
      again &&
        h(
          "a",
          {
            class: "icon-button",
            href: again,
            "aria-label": t("searchWith", { name }),
            title: t("searchWithShort"),
          },
          icon("search"),
        ),
      active &&
        iconButton("download", t("download", { name }), () => download(clip, name), {
          title: t("downloadShort"),
        }),
      iconButton("edit", t("edit", { name }), () => edit(clip, onchange), {
        title: t("editShort"),
        disabled: clip.state === "STATE_DELETING",
      }),
      detach
        ? iconButton("detach", t("detach", { name }), () => detach(clip), {
          title: t("detachShort"),
        })
        : iconButton("trash", t("delete", { name }), () => ondelete(), {
          title: t("deleteShort"),
        }),
    ),
  );
  return { clip, node, sound, again };
}

const noPlay = (clip) =>
  h("span", { class: "play off" }, icon(clip.state === "STATE_FAILED" ? "close" : "again"));

function why(clip) {
  if (clip.state !== "STATE_FAILED") {
    return t(clip.state === "STATE_DELETING" ? "isDeleting" : "isMaking");
  }
  return inWords(clip.failure?.reason, clip.failure?.message);
}

async function edit(clip, onchange) {
  const inputs = Object.fromEntries(
    ["displayName", "label", "speaker"].map((key) => [
      key,
      h("input", { value: clip[key] ?? "", maxLength: 255, autocomplete: "off" }),
    ]),
  );
  let changed = null;
  await open({
    title: t("editTitle"),
    body: [
      field(t("name"), inputs.displayName),
      field(t("label"), inputs.label),
      field(t("speaker"), inputs.speaker),
      clip.uri &&
      h("p", { class: "field-note clip-place" }, `${t("staysAt")} `, h("code", {}, clip.uri)),
    ],
    confirm: t("save"),
    focus: inputs.displayName,
    failed: failureBox,
    work: async () => {
      changed = await api.updateClip(
        clip.name,
        Object.fromEntries(Object.entries(inputs).map(([key, { value }]) => [key, value.trim()])),
      );
    },
  });
  if (changed) onchange(changed);
}

/** By a link of the server's where it needs no key; else fetched with it. */
async function download(clip, name) {
  let url = api.audioLink(clip.name);
  try {
    const fetched = url ? null : URL.createObjectURL(await api.audio(clip.name));
    url ??= fetched;
    h("a", { href: url, download: name }).click();
    if (fetched) setTimeout(() => URL.revokeObjectURL(fetched), 60000);
  } catch (error) {
    toast(said(error), { kind: "error" });
  }
}
