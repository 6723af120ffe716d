/** A choice of library. */

import { api } from "../core/api.js";
import { h } from "../core/dom.js";
import { idOf, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { keepLibrary, lastLibrary } from "../core/last_library.js";
import { search } from "../strings/search.js";

const t = words(search);

/** The name of a library. */
export const called = (library) => library.displayName || idOf(library.name);

/**
 * A labelled select of `libraries` with `chosen` (an id) selected; `onchoose(id)` hears of another
 * one.
 */
export function libraryPicker({ libraries, chosen, onchoose }) {
  const options = libraries.map((library) =>
    h(
      "option",
      { value: idOf(library.name), selected: idOf(library.name) === chosen },
      `${called(library)} (${number(library.clipCount ?? 0)})`,
    )
  );
  const select = h(
    "select",
    { onchange: () => (keepLibrary(select.value), onchoose(select.value)) },
    options,
  );
  if (!libraries.some(({ name }) => idOf(name) === chosen)) select.selectedIndex = -1;
  return h(
    "label",
    { class: "picker" },
    h("span", { class: "field-label" }, t("inLibrary")),
    select,
  );
}

/**
 * All libraries, and which of them is meant: the one asked for, the last one used, or the first.
 */
export async function chooseLibrary(asked) {
  const libraries = await api.libraries();
  const ids = libraries.map((library) => idOf(library.name));
  const last = lastLibrary();
  const chosen = asked ?? (ids.includes(last) ? last : ids[0]);
  if (ids.includes(chosen)) keepLibrary(chosen);
  return { libraries, chosen, known: ids.includes(chosen) };
}
