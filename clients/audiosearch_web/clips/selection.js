/** Clips that are selected, and what can be done with all of them. */

import { api } from "../core/api.js";
import { open } from "../parts/dialog.js";
import { field, h, icon } from "../core/dom.js";
import { failureBox, said } from "../core/failure.js";
import { number } from "../core/format.js";
import { saveZip, tellFailed } from "./download.js";
import { forEach } from "./for_each.js";
import { words } from "../core/i18n.js";
import { clips as strings } from "../strings/clips.js";
import { announce, toast } from "../parts/toast.js";

const t = words(strings);
const MOST = 5000;
const PAGE = 1000;

export class Selection {
  #chosen = new Map();
  #last = null;
  #busy = false;
  #options;
  #count = h("strong", { role: "status" });
  #progress = h("progress", { max: 1, value: 0, hidden: true, "aria-label": t("progress") });
  #buttons;

  /**
   * `onchange()` hears of another selection, `onedited()` that clips have changed,
   * `ondelete(clips)` that they are to be deleted. `page({pageSize, pageToken})` asks for clips of
   * the filter, and `rows()` gives the clips that are shown.
   */
  constructor(options) {
    this.#options = options;
    this.#buttons = h(
      "div",
      { class: "selection-ways" },
      button("check", t("selectAll"), () => this.#all()),
      button("edit", t("label"), () => this.#label()),
      button("download", t("zip"), () => this.#zip()),
      button("trash", t("delete"), () => this.#delete()),
      button("close", t("clear"), () => this.clear()),
    );
    this.node = h(
      "div",
      { class: "selection", hidden: true, role: "group", "aria-label": t("selection") },
      this.#count,
      this.#progress,
      this.#buttons,
    );
  }

  has(clip) {
    return this.#chosen.has(clip.name);
  }

  /** The box of a clip; with Shift it takes all between the last one and this one. */
  box(clip, name) {
    return h("input", {
      type: "checkbox",
      class: "clip-select",
      checked: this.has(clip),
      "aria-label": t("select", { name }),
      onclick: (event) => this.#chose(clip, event.target.checked, event.shiftKey),
    });
  }

  clear() {
    this.#chosen.clear();
    this.#last = null;
    this.#tell();
  }

  #chose(clip, on, far) {
    const rows = this.#options.rows();
    const [from, to] = [this.#last, clip.name]
      .map((name) => rows.findIndex((row) => row.name === name)).sort((one, other) => one - other);
    for (const each of far && from >= 0 ? rows.slice(from, to + 1) : [clip]) {
      if (on) this.#chosen.set(each.name, each);
      else this.#chosen.delete(each.name);
    }
    this.#last = clip.name;
    this.#tell();
  }

  #tell() {
    const count = this.#chosen.size;
    this.node.hidden = !count;
    this.#count.textContent = count ? t("selected", { count: number(count) }) : "";
    this.#options.onchange();
  }

  async #all() {
    await this.#work(async () => {
      let pageToken;
      do {
        const page = await this.#options.page({ pageSize: PAGE, pageToken });
        for (const clip of page.clips ?? []) this.#chosen.set(clip.name, clip);
        pageToken = page.nextPageToken;
      } while (pageToken && this.#chosen.size < MOST);
      if (pageToken) toast(t("most", { count: number(MOST) }));
    });
    this.#tell();
  }

  async #label() {
    const clips = [...this.#chosen.values()];
    const inputs = Object.fromEntries(
      ["label", "speaker", "displayName"].map((key) => [
        key,
        h("input", { maxLength: 240, autocomplete: "off" }),
      ]),
    );
    let failed = [];
    const done = await open({
      title: t("labelTitle", { count: number(clips.length) }),
      body: [
        h("p", {}, t("labelHow")),
        field(t("labelField"), inputs.label),
        field(t("speakerField"), inputs.speaker),
        field(t("nameField"), inputs.displayName, t("nameNote")),
      ],
      confirm: t("save"),
      focus: inputs.label,
      failed: failureBox,
      work: async () => {
        const values = Object.entries(inputs)
          .map(([key, { value }]) => [key, value.trim()]).filter(([, value]) => value);
        if (!values.length) return;
        const { failures } = await this.#forAll(clips, (clip, place) => {
          const fields = Object.fromEntries(values);
          if (fields.displayName) fields.displayName += ` ${place + 1}`;
          return api.updateClip(clip.name, fields);
        });
        failed = failures;
      },
    });
    if (done) this.#over(clips.length, failed);
  }

  #delete() {
    const clips = [...this.#chosen.values()];
    this.clear();
    this.#options.ondelete(clips);
  }

  async #zip() {
    const clips = [...this.#chosen.values()];
    await this.#work(() => saveZip(clips, (done) => this.#told(done, clips.length)));
  }

  #forAll(clips, work) {
    return forEach(clips, work, (done) => this.#told(done, clips.length));
  }

  #told(done, total) {
    this.#progress.value = done / total;
  }

  /** Runs `work` with the buttons off; a second one waits for the first. */
  async #work(work) {
    if (this.#busy) return;
    this.#busy = true;
    this.#progress.value = 0;
    this.#progress.hidden = false;
    for (const each of this.#buttons.children) each.disabled = true;
    try {
      await work();
    } catch (error) {
      toast(said(error), { kind: "error" });
    } finally {
      this.#busy = false;
      this.#progress.hidden = true;
      for (const each of this.#buttons.children) each.disabled = false;
    }
  }

  #over(count, failures) {
    this.clear();
    this.#options.onedited();
    if (failures.length) tellFailed(failures);
    else {
      const message = t("changed", { count: number(count) });
      toast(message);
      announce(message);
    }
  }
}

const button = (mark, label, onclick) =>
  h("button", { type: "button", class: "button small", onclick }, icon(mark), label);
