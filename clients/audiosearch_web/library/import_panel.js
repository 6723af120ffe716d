/** Imports into a library: by files of this machine, or a folder of the server. */

import { chosen, filesBelow, takeDrops } from "../parts/drops.js";
import { channelField } from "../parts/channels.js";
import { ACCEPT } from "../parts/sounds.js";
import { field, h, icon } from "../core/dom.js";
import { failureBox, said } from "../core/failure.js";
import { findImports, importFolder } from "./folder_import.js";
import { takeFiles } from "../start/handover.js";
import { words } from "../core/i18n.js";
import { ImportCard } from "./import_card.js";
import { forgetImport, importsOf, isOver, onImports } from "./imports.js";
import { library as strings } from "../strings/library.js";
import { announce, toast } from "../parts/toast.js";
import { Upload } from "./upload.js";

const t = words(strings);

export class ImportPanel {
  #library;
  #onmore;
  #ondone;
  #cards = new Map();
  #seen = 0;
  #endings = [];
  #progress = h("div", { class: "import-cards" });
  #label = h("input", { maxLength: 255, autocomplete: "off" });
  #folders = h("input", { type: "checkbox" });
  #channel = channelField();
  #problem = h("div", { class: "slot" });
  #box;

  /** `onmore()` hears of new clips, `ondone()` of the end of an import. */
  constructor(library, { onmore, ondone }) {
    this.#library = library;
    this.#onmore = onmore;
    this.#ondone = ondone;
    this.#box = h(
      "details",
      { class: "card import" },
      h("summary", {}, icon("plus"), t("import")),
      this.#form(),
    );
    this.node = h(
      "section",
      { class: "imports", "aria-label": t("imports") },
      this.#progress,
      this.#box,
    );
    this.#endings = [
      onImports(() => this.#draw()),
      takeDrops(t("dropToImport"), (entries) => this.#upload(filesBelow(entries))),
    ];
    this.#draw();
    const given = takeFiles(library);
    if (given.length) this.#upload(given);
    findImports(library).catch((error) => toast(said(error), { kind: "error" }));
  }

  open(on) {
    this.#box.open = on;
  }

  leave() {
    for (const end of this.#endings) end();
    for (const work of importsOf(this.#library)) if (isOver(work)) forgetImport(work);
  }

  #form() {
    return h(
      "div",
      { class: "import-form" },
      h(
        "div",
        { class: "import-drop" },
        icon("upload"),
        h(
          "p",
          { class: "query-call" },
          t(matchMedia("(pointer: coarse)").matches ? "chooseSome" : "dropFiles"),
        ),
        h("div", { class: "query-ways" }, this.#choose(false), this.#choose(true)),
        h("p", { class: "quiet" }, t("dropNote")),
      ),
      h(
        "div",
        { class: "import-labels" },
        field(t("labelAll"), this.#label),
        this.#channel.node,
        h("label", { class: "check" }, this.#folders, t("labelFolders")),
      ),
      h("details", {}, h("summary", {}, t("serverFolder")), this.#serverForm()),
      this.#problem,
    );
  }

  #choose(folder) {
    const input = h("input", {
      type: "file",
      multiple: true,
      hidden: true,
      accept: folder ? undefined : ACCEPT,
      onchange: () => {
        const files = [...input.files].map(chosen);
        input.value = "";
        if (files.length) this.#upload(files);
      },
    });
    if (folder) input.webkitdirectory = true;
    return [
      input,
      h(
        "button",
        {
          type: "button",
          class: folder ? "button" : "button primary",
          onclick: () => input.click(),
        },
        icon(folder ? "folder" : "file"),
        t(folder ? "chooseFolder" : "chooseFiles"),
      ),
    ];
  }

  #serverForm() {
    const path = h("input", {
      required: true,
      placeholder: "/srv/sounds",
      spellcheck: false,
      autocomplete: "off",
    });
    return h(
      "form",
      {
        class: "server-form",
        onsubmit: (event) => (event.preventDefault(), this.#fromServer(path)),
      },
      field(t("folderPath"), path, t("folderNote")),
      h("button", { class: "button", type: "submit" }, t("importFolder")),
    );
  }

  async #fromServer(path) {
    this.#problem.replaceChildren();
    try {
      const options = { label: this.#label.value.trim(), channel: this.#channel.value };
      await importFolder(this.#library, path.value.trim(), options);
      path.value = "";
      this.open(false);
    } catch (error) {
      this.#problem.replaceChildren(failureBox(error));
    }
  }

  /** Files that come while others are uploaded join them. */
  #upload(files) {
    for (const work of importsOf(this.#library)) if (isOver(work)) forgetImport(work);
    this.open(false);
    const busy = importsOf(this.#library).find(({ state }) => state.kind === "upload");
    const options = {
      label: this.#label.value.trim(),
      folders: this.#folders.checked,
      channel: this.#channel.value,
    };
    (busy ?? new Upload(this.#library)).add(files, options);
  }

  #draw() {
    const works = importsOf(this.#library);
    for (const [work, card] of this.#cards) {
      if (works.includes(work)) continue;
      card.node.remove();
      this.#cards.delete(work);
    }
    for (const work of works) this.#drawOne(work);
    const imported = works.reduce((sum, { state }) => sum + (state.imported ?? 0), 0);
    if (imported > this.#seen) this.#onmore();
    this.#seen = imported;
  }

  #drawOne(work) {
    let card = this.#cards.get(work);
    if (!card) {
      card = new ImportCard(work, { onclose: () => forgetImport(work) });
      this.#cards.set(work, card);
      this.#progress.append(card.node);
      if (isOver(work)) card.told = true;
      else if (this.node.isConnected) card.node.scrollIntoView({ block: "nearest" });
    }
    card.draw();
    if (!isOver(work)) {
      card.told = false;
      this.#sayQuarter(card, work.state);
    } else if (!card.told) {
      card.told = true;
      announce(t("endedAloud", work.state));
      this.#ondone();
    }
  }

  /** Says how far it is to who doesn't see it, but not for every file. */
  #sayQuarter(card, { done, total }) {
    const quarter = total ? Math.floor((4 * done) / total) : 0;
    if (quarter > (card.quarter ?? 0) && quarter < 4) announce(t("aloud", { done, total }));
    card.quarter = quarter;
  }
}
