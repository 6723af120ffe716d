/** A choice of library. */

import { api } from "../core/api.js";
import { h } from "../core/dom.js";
import { idOf, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { keepLibrary, lastLibrary } from "../core/last_library.js";
import { purposeChip } from "./purpose.js";
import { search } from "../strings/search.js";

const t = words(search);

/** The name of a library. */
export const called = (library) => library.displayName || idOf(library.name);

/**
 * A labelled select of `libraries` with `chosen` (an id) selected, and the purpose of that one
 * beside it; `onchoose(id)` hears of another one.
 */
export function libraryPicker({ libraries, chosen, onchoose }) {
  const options = libraries.map((library) =>
    h(
      "option",
      { value: idOf(library.name), selected: idOf(library.name) === chosen },
      `${called(library)} (${number(library.clipCount ?? 0)})`,
    )
  );
  const purpose = h("span", { class: "picker-purpose" });
  const tell = () => {
    const library = libraries.find(({ name }) => idOf(name) === select.value);
    purpose.replaceChildren(purposeChip(library ?? {}) ?? "");
  };
  const choose = () => {
    keepLibrary(select.value);
    tell();
    onchoose(select.value);
  };
  const select = h("select", { onchange: choose }, options);
  if (!libraries.some(({ name }) => idOf(name) === chosen)) select.selectedIndex = -1;
  tell();
  return h(
    "div",
    { class: "picker" },
    purpose,
    h("label", {}, h("span", { class: "field-label" }, t("inLibrary")), select),
  );
}

/**
 * All libraries, and which of them is meant: the one asked for, the last one used, or the first
 * that `fits(library)` holds of.
 */
export async function chooseLibrary(asked, fits = () => true) {
  const libraries = await api.libraries();
  const ids = libraries.map((library) => idOf(library.name));
  const last = lastLibrary();
  const first = libraries.find(fits);
  const chosen = asked ?? (ids.includes(last) ? last : first && idOf(first.name));
  if (ids.includes(chosen)) keepLibrary(chosen);
  return { libraries, chosen, known: ids.includes(chosen) };
}
