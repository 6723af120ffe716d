/** One library: what it holds, imports into it, its clips. */

import { api } from "../core/api.js";
import { ClipList } from "../clips/list.js";
import { DuplicatesCard } from "./duplicates_card.js";
import { h, icon, iconButton, keepHeading } from "../core/dom.js";
import { said } from "../core/failure.js";
import { idOf, moment, number, size } from "../core/format.js";
import { words } from "../core/i18n.js";
import { ImportPanel } from "./import_panel.js";
import { keepLibrary } from "../core/last_library.js";
import { deleteLibrary, renameLibrary } from "./library_list.js";
import { IndexCard } from "./index_card.js";
import { MigrationCard } from "./migration_card.js";
import { called } from "../parts/picker.js";
import { purposeChip, rangeOf } from "../parts/purpose.js";
import { address, go, rewrite } from "../core/router.js";
import { library as strings } from "../strings/library.js";
import { purposes } from "../strings/purposes.js";
import { vectors } from "../strings/vectors.js";
import { toast } from "../parts/toast.js";
import { TrashCard } from "./trash_card.js";
import { holdsVectors } from "../parts/vectors.js";
import { vectorsCard } from "./vectors_card.js";

const t = words(strings);
const REFRESH_MS = 2500;

export async function showLibrary(root, params) {
  root.append(h("h1", {}, params.library));
  const library = await api.library(`libraries/${params.library}`);
  keepLibrary(params.library);
  const page = new LibraryPage(root, library, params);
  await page.load();
  return () => page.leave();
}

class LibraryPage {
  #library;
  #head = h("div", { class: "library-head" });
  #facts;
  #list;
  #index;
  #migration;
  #duplicates;
  #trash;
  #panel;
  #refreshing = null;

  constructor(root, library, params) {
    const id = params.library;
    this.#library = library;
    this.#list = new ClipList(library, params, {
      onfilter: (filter) => rewrite("library", { library: id, ...filter }),
      onchange: () => {
        this.#refresh();
        this.#trash.look();
      },
    });
    this.#trash = new TrashCard(library, () => {
      this.#refresh();
      this.#list.load();
    });
    this.#index = new IndexCard(library, (now) => this.#take(now));
    this.#migration = new MigrationCard(library, (now) => this.#take(now));
    this.#duplicates = new DuplicatesCard(library);
    if (!holdsVectors(library)) {
      this.#panel = new ImportPanel(id, {
        onmore: () => this.#more(),
        ondone: () => {
          this.#refresh();
          this.#list.refreshSoon();
        },
      });
    }
    this.#drawHead();
    keepHeading(root, () =>
      root.replaceChildren(
        this.#head,
        this.#index.node,
        this.#migration.node,
        this.#panel?.node ?? vectorsCard(library),
        this.#list.node,
        this.#trash.node,
        this.#duplicates.node,
      ));
    this.#panel?.open(!Number(library.clipCount ?? 0));
  }

  load() {
    this.#trash.look();
    return this.#list.load();
  }

  leave() {
    this.#index.leave();
    this.#migration.leave();
    this.#duplicates.leave();
    this.#trash.leave();
    this.#panel?.leave();
    this.#list.leave();
  }

  /** An import brought clips, and will bring more. */
  #more() {
    this.#list.refreshSoon();
    this.#refreshing ??= setTimeout(() => {
      this.#refreshing = null;
      if (this.#head.isConnected) this.#refresh();
    }, REFRESH_MS);
  }

  async #refresh() {
    try {
      this.#take(await api.library(this.#library.name));
    } catch (error) {
      toast(said(error), { kind: "error" });
    }
  }

  /** Shows the library as it is now. */
  #take(library) {
    this.#library = library;
    this.#list.tell(library);
    this.#index.tell(library);
    this.#migration.tell(library);
    this.#duplicates.tell(library);
    this.#drawFacts();
  }

  #drawHead() {
    this.#facts = facts(this.#library);
    const named = title(
      this.#library,
      () => this.#rename(),
      () => this.#remove(),
    );
    this.#head.replaceChildren(
      h("a", { class: "back", href: "#/library" }, icon("previous"), t("all")),
      h("div", { class: "row-between" }, named, ways(this.#library)),
      this.#facts,
    );
  }

  /** The facts alone: the rest may have the focus. */
  #drawFacts() {
    const now = facts(this.#library);
    this.#facts.replaceWith(now);
    this.#facts = now;
  }

  async #rename() {
    this.#library = (await renameLibrary(this.#library)) ?? this.#library;
    this.#drawHead();
    this.#head.querySelector("button").focus();
  }

  async #remove() {
    if (!(await deleteLibrary(this.#library))) return;
    keepLibrary(undefined);
    toast(t("deleted", { name: called(this.#library) }));
    go("library");
  }
}

function title(library, rename, remove) {
  return h(
    "div",
    { class: "library-title" },
    h("h1", { tabindex: "-1" }, called(library)),
    iconButton("edit", t("rename"), rename),
    iconButton("trash", t("deleteThis"), remove),
  );
}

function ways(library) {
  const id = idOf(library.name);
  return h(
    "div",
    { class: "ways" },
    h("a", { class: "button", href: address("map", { library: id }) }, icon("map"), t("onMap")),
    h(
      "a",
      { class: "button primary", href: address("search", { library: id }) },
      icon("search"),
      t("searchIn"),
    ),
  );
}

function facts(library) {
  const say = words(purposes);
  const chip = purposeChip(library);
  const pairs = [
    [t("clips"), number(library.clipCount ?? 0)],
    [t("size"), size(library.sizeBytes)],
    [t("made"), moment(library.createTime)],
    ...(chip ? [[say("what"), chip]] : []),
    [t("model"), idOf(library.model ?? "")],
    [say("scores"), rangeOf(library)],
    ...(holdsVectors(library) ? [[words(vectors)("dimension"), number(library.dimension)]] : []),
    [t("idOf"), idOf(library.name)],
  ];
  return h(
    "dl",
    { class: "library-facts" },
    pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
