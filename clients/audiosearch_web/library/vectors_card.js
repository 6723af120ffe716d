/** The place of imports in a library for vectors: it says what the library is. */

import { h } from "../core/dom.js";
import { idOf, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { vectors } from "../strings/vectors.js";

const t = words(vectors);

/** A card about a library. */
export const vectorsCard = ({ model, dimension }) =>
  h(
    "section",
    { class: "card import-card", "aria-label": t("title") },
    h("h2", {}, t("title")),
    h("p", { class: "quiet" }, t("what", { model: idOf(model), dimension: number(dimension) })),
  );
