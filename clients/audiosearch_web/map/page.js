/** The page Map: a library in two dimensions. */

import { h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { idOf } from "../core/format.js";
import { words } from "../core/i18n.js";
import { MapBoard } from "./board.js";
import { chooseLibrary, libraryPicker } from "../parts/picker.js";
import { address, go } from "../core/router.js";
import { followMap } from "./source.js";
import { holdsVectors } from "../parts/vectors.js";
import { strings } from "../strings/map.js";

const t = words(strings);

export async function show(root, params) {
  const head = h("div", { class: "row-between" }, h("h1", { tabindex: "-1" }, t("title")));
  const place = h("div", { class: "map-place" });
  root.append(head, place);
  const { libraries, chosen, known } = await chooseLibrary(params.library);
  if (!libraries.length && !chosen) {
    place.append(empty(t("noLibrary"), address("library")));
    return () => {};
  }
  const picker = libraryPicker({
    libraries,
    chosen: known ? chosen : undefined,
    onchoose: (id) => go("map", { library: id }),
  });
  head.append(picker);
  const silent = holdsVectors(libraries.find(({ name }) => idOf(name) === chosen));
  return follow(place, chosen, silent);
}

/**
 * Shows the map of a library for as long as nobody calls what it gives back; a `silent` one has
 * nothing to hear.
 */
function follow(place, library, silent) {
  const ending = new AbortController();
  let board;
  followMap(`libraries/${library}`, {
    signal: ending.signal,
    onmap(map, points) {
      if (map.state === "STATE_READY" && !map.sampledCount) {
        board?.leave();
        board = undefined;
        place.replaceChildren(empty(t("empty"), address("library", { library })));
        return;
      }
      if (!board) {
        board = new MapBoard(library, { silent });
        place.replaceChildren(board.node);
      }
      board.update(map, points);
    },
    onerror(error) {
      if (!board) {
        place.replaceChildren(failureBox(error, () => go("map", { library, again: Date.now() })));
      }
    },
  });
  return () => {
    ending.abort();
    board?.leave();
  };
}

function empty(words_, href) {
  return h(
    "div",
    { class: "empty" },
    icon("map"),
    h("h2", {}, t("emptyTitle")),
    h("p", {}, words_),
    h("a", { class: "button primary", href }, t("import")),
  );
}
