/** All libraries: pick one, or make one. */

import { api } from "../core/api.js";
import { open } from "../parts/dialog.js";
import { field, h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { idOf, number, size } from "../core/format.js";
import { words } from "../core/i18n.js";
import { nameAndId } from "../core/ids.js";
import { keepLibrary } from "../core/last_library.js";
import { called } from "../parts/picker.js";
import { purposeChip, purposeChoice, rangeOf, SOUNDS } from "../parts/purpose.js";
import { address, go } from "../core/router.js";
import { library as strings } from "../strings/library.js";
import { purposes } from "../strings/purposes.js";
import { holdsVectors } from "../parts/vectors.js";
import { vectors } from "../strings/vectors.js";

const t = words(strings);

/** `purpose` is the one that a new library is most likely for. */
export async function showLibraries(root, { purpose = SOUNDS }) {
  const make = h(
    "button",
    {
      type: "button",
      class: "button primary",
      onclick: () => makeLibrary(purpose),
    },
    icon("plus"),
    t("make"),
  );
  root.append(h("div", { class: "row-between" }, h("h1", {}, t("libraries")), make));
  const libraries = await api.libraries();
  if (libraries.length) root.append(h("ul", { class: "cards" }, libraries.map(card)));
  else {
    root.append(
      h(
        "div",
        { class: "empty" },
        icon("library"),
        h("h2", {}, t("none")),
        h("p", {}, t("noneMore")),
      ),
    );
  }
  return () => {};
}

function card(library) {
  const id = idOf(library.name);
  return h(
    "li",
    { class: "card library-card" },
    h("h2", {}, h("a", { href: address("library", { library: id }) }, called(library))),
    called(library) === id ? null : h("p", { class: "quiet" }, id),
    purposeOf(library),
    h(
      "p",
      { class: "library-count" },
      h("strong", {}, number(library.clipCount ?? 0)),
      " ",
      t("clipsWord", { count: Number(library.clipCount ?? 0) }),
    ),
    h(
      "p",
      { class: "quiet" },
      holdsVectors(library) ? vectorsOf(library) : size(library.sizeBytes),
    ),
  );
}

/** Purpose, model and range of scores; null for vectors, which say their own. */
function purposeOf(library) {
  if (holdsVectors(library)) return null;
  const scores = words(purposes)("scoresOf", { range: rangeOf(library) });
  return h(
    "p",
    { class: "quiet library-model" },
    purposeChip(library),
    h("span", {}, `${idOf(library.model ?? "")}, ${scores}`),
  );
}

const vectorsOf = ({ dimension }) => words(vectors)("card", { dimension: number(dimension) });

async function makeLibrary(wanted) {
  const purpose = await purposeChoice(wanted);
  const { name, id } = nameAndId();
  const made = await open({
    title: t("makeTitle"),
    body: [field(t("nameOf"), name), purpose.node, field(t("idOf"), id, t("idNote"))],
    confirm: t("make"),
    focus: name,
    failed: failureBox,
    work: () =>
      api.createLibrary(id.value, {
        displayName: name.value.trim() === id.value ? "" : name.value.trim(),
        purpose: purpose.value,
      }),
  });
  if (!made) return;
  keepLibrary(id.value);
  go("library", { library: id.value });
}

/** Asks for the name of a library to be typed, then deletes it; true when it is gone. */
export function deleteLibrary(library) {
  const id = idOf(library.name);
  const typed = h("input", {
    autocomplete: "off",
    spellcheck: false,
    required: true,
    pattern: id.replace(/-/g, "\\-"),
  });
  typed.addEventListener(
    "input",
    () =>
      typed.setCustomValidity(typed.value && typed.value !== id ? t("typeExactly", { id }) : ""),
  );
  return open({
    title: t("deleteTitle", { name: called(library) }),
    body: [
      h(
        "p",
        {},
        t("deleteWhat", { count: Number(library.clipCount ?? 0), size: size(library.sizeBytes) }),
      ),
      field(t("typeName", { id }), typed),
    ],
    confirm: t("deleteAll"),
    danger: true,
    focus: typed,
    failed: failureBox,
    work: () => api.deleteLibrary(library.name),
  });
}

/** Asks for another name of a library; answers with the library as it is then, or null. */
export async function renameLibrary(library) {
  const name = h("input", {
    maxLength: 255,
    value: library.displayName || "",
    autocomplete: "off",
  });
  let renamed = null;
  await open({
    title: t("rename"),
    body: field(t("nameOf"), name, t("idStays", { id: idOf(library.name) })),
    confirm: t("save"),
    focus: name,
    failed: failureBox,
    work: async () => {
      renamed = await api.updateLibrary(library.name, { displayName: name.value.trim() });
    },
  });
  return renamed;
}
