/** One library: what it holds, imports into it, its clips. */

import { api } from "./api.js";
import { ClipList } from "./clip_list.js";
import { h, icon, iconButton, keepHeading } from "./dom.js";
import { said } from "./failure.js";
import { idOf, moment, number, size } from "./format.js";
import { words } from "./i18n.js";
import { ImportPanel } from "./import_panel.js";
import { keepLibrary } from "./kept.js";
import { deleteLibrary, renameLibrary } from "./library_list.js";
import { called } from "./picker.js";
import { address, go, rewrite } from "./router.js";
import { library as strings } from "./strings/library.js";
import { toast } from "./toast.js";

const t = words(strings);
const REFRESH_MS = 2500;

export async function showLibrary(root, params) {
  const name = `libraries/${params.library}`;
  root.append(h("h1", {}, params.library));
  let library = await api.library(name);
  keepLibrary(params.library);

  const head = h("div", { class: "library-head" });
  const list = new ClipList(library, params, {
    onfilter: (filter) => rewrite("library", { library: params.library, ...filter }),
    onchange: refresh,
  });
  const panel = new ImportPanel(params.library, {
    onmore: () => {
      refreshSoon();
      list.refreshSoon();
    },
    ondone: () => {
      refresh();
      list.refreshSoon();
    },
  });

  let refreshing = null;
  function refreshSoon() {
    refreshing ??= setTimeout(() => {
      refreshing = null;
      if (head.isConnected) refresh();
    }, REFRESH_MS);
  }

  async function refresh() {
    try {
      library = await api.library(name);
      drawFacts();
      list.tell(library);
    } catch (error) {
      toast(said(error), { kind: "error" });
    }
  }

  let shownFacts = facts(library);

  function drawHead() {
    head.replaceChildren(
      h("a", { class: "back", href: "#/library" }, icon("previous"), t("all")),
      h("div", { class: "row-between" }, title(library, rename, remove), ways(library)),
      shownFacts,
    );
  }

  /** The facts alone: the rest may have the focus. */
  function drawFacts() {
    const now = facts(library);
    shownFacts.replaceWith(now);
    shownFacts = now;
  }

  async function rename() {
    library = (await renameLibrary(library)) ?? library;
    drawHead();
    head.querySelector("button").focus();
  }

  async function remove() {
    if (!(await deleteLibrary(library))) return;
    keepLibrary(undefined);
    toast(t("deleted", { name: called(library) }));
    go("library");
  }

  drawHead();
  keepHeading(root, () => root.replaceChildren(head, panel.node, list.node));
  panel.open(!Number(library.clipCount ?? 0));
  await list.load();
  return () => {
    panel.leave();
    list.leave();
  };
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
  const pairs = [
    [t("clips"), number(library.clipCount ?? 0)],
    [t("size"), size(library.sizeBytes)],
    [t("made"), moment(library.createTime)],
    [t("model"), idOf(library.model ?? "")],
    [t("idOf"), idOf(library.name)],
  ];
  return h(
    "dl",
    { class: "library-facts" },
    pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
