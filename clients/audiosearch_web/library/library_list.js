/** All libraries: pick one, or make one. */

import { api } from "../core/api.js";
import { open } from "../parts/dialog.js";
import { field, h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { idOf, number, size } from "../core/format.js";
import { words } from "../core/i18n.js";
import { makeLibrary } from "../start/make_library.js";
import { called } from "../parts/picker.js";
import { purposeChip, rangeOf, SOUNDS } from "../parts/purpose.js";
import { address, go, rewrite } from "../core/router.js";
import { Start } from "../start/start.js";
import { library as strings } from "../strings/library.js";
import { purposes } from "../strings/purposes.js";
import { holdsVectors } from "../parts/vectors.js";
import { vectors } from "../strings/vectors.js";

const t = words(strings);

/**
 * `purpose` is the one that a new library is most likely for; with `make` somebody has asked for it
 * already.
 */
export async function showLibraries(root, { purpose = SOUNDS, make }) {
  root.append(h("h1", {}, t("libraries")));
  const libraries = await api.libraries();
  if (make) rewrite("library", { purpose });
  if (!libraries.length) {
    const start = new Start(purpose);
    root.append(start.node);
    if (make) start.make();
    return () => start.leave();
  }
  const ask = async () => {
    const library = await makeLibrary(purpose);
    if (library) go("library", { library });
  };
  const button = h(
    "button",
    { type: "button", class: "button primary", onclick: ask },
    icon("plus"),
    t("make"),
  );
  root.querySelector("h1").replaceWith(
    h("div", { class: "row-between" }, h("h1", {}, t("libraries")), button),
  );
  root.append(h("ul", { class: "cards" }, libraries.map(card)));
  if (make) ask();
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
