/** Clips that are selected, and what can be done with all of them. */

import { api } from "../core/api.js";
import { open } from "../parts/dialog.js";
import { field, h, icon } from "../core/dom.js";
import { failureBox, said } from "../core/failure.js";
import { idOf, number } from "../core/format.js";
import { saveZip, tellFailed } from "./download.js";
import { forEach } from "./for_each.js";
import { words } from "../core/i18n.js";
import { nameAndId } from "../core/ids.js";
import { enrollAll, move, roomsFor } from "./moving.js";
import { called } from "../parts/picker.js";
import { holdsVoices } from "../parts/purpose.js";
import { go } from "../core/router.js";
import { clips as strings } from "../strings/clips.js";
import { announce, toast } from "../parts/toast.js";
import { holdsVectors } from "../parts/vectors.js";

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
  #ways = {
    enroll: button("mic", t("enroll"), () => this.#enroll()),
    move: button("folder", t("move"), () => this.#move()),
  };
  #buttons;

  /**
   * `onchange()` hears of another selection, `onedited()` that clips have changed, `onfewer()` that
   * some have left, `ondelete(clips)` that they are to be deleted. `page({pageSize, pageToken})`
   * asks for clips of the filter, `rows()` gives those that are shown, and `library()` theirs.
   */
  constructor(options) {
    this.#options = options;
    this.#buttons = h(
      "div",
      { class: "selection-ways" },
      button("check", t("selectAll"), () => this.#all()),
      button("edit", t("label"), () => this.#label()),
      this.#ways.enroll,
      this.#ways.move,
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
    const library = this.#options.library();
    this.#ways.enroll.hidden = !holdsVoices(library);
    this.#ways.move.hidden = holdsVectors(library);
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
    const clips = this.#clips;
    const inputs = Object.fromEntries(
      ["label", "speaker", "displayName"].map((key) => [
        key,
        h("input", { maxLength: 240, autocomplete: "off" }),
      ]),
    );
    const failures = await this.#ask({
      title: t("labelTitle", { count: number(clips.length) }),
      body: [
        h("p", {}, t("labelHow")),
        field(t("labelField"), inputs.label),
        field(t("speakerField"), inputs.speaker),
        field(t("nameField"), inputs.displayName, t("nameNote")),
      ],
      confirm: t("save"),
      focus: inputs.label,
      work: (ontold) => {
        const values = Object.entries(inputs)
          .map(([key, { value }]) => [key, value.trim()]).filter(([, value]) => value);
        if (!values.length) return { failures: [] };
        return forEach(clips, (clip, place) => {
          const fields = Object.fromEntries(values);
          if (fields.displayName) fields.displayName += ` ${place + 1}`;
          return api.updateClip(clip.name, fields);
        }, ontold);
      },
    });
    if (failures) this.#over("changed", {}, clips.length, failures);
  }

  async #enroll() {
    const clips = this.#clips;
    const library = this.#options.library();
    const { name, id } = nameAndId();
    const failures = await this.#ask({
      title: t("enrollTitle", { count: number(clips.length) }),
      body: [h("p", {}, t("enrollHow")), field(t("whoField"), name), field(t("idField"), id)],
      confirm: t("enroll"),
      focus: name,
      work: (ontold) => {
        const who = name.value.trim();
        const speaker = `${library.name}/speakers/${id.value}`;
        return enrollAll(speaker, who === id.value ? "" : who, clips, ontold);
      },
    });
    if (!failures) return;
    this.#over("enrolled", { who: name.value.trim() }, clips.length, failures, {
      label: t("showSpeaker"),
      run: () => go("speakers", { library: idOf(library.name), speaker: id.value }),
    });
  }

  async #move() {
    const clips = this.#clips;
    let rooms;
    await this.#work(async () => rooms = await roomsFor(this.#options.library()));
    if (!rooms) return;
    const to = h(
      "select",
      {},
      rooms.map((each) => h("option", { value: each.name }, called(each))),
    );
    const failures = await this.#ask({
      title: t("moveTitle", { count: number(clips.length) }),
      body: rooms.length
        ? [h("p", {}, t("moveHow")), field(t("toField"), to)]
        : [h("p", {}, t("nowhere"))],
      confirm: rooms.length ? t("move") : undefined,
      focus: rooms.length ? to : undefined,
      work: (ontold) => forEach(clips, (clip) => move(clip, to.value), ontold),
    });
    if (!failures) return;
    const room = called(rooms.find(({ name }) => name === to.value));
    this.#over("moved", { room }, clips.length, failures, {
      label: t("showLibrary"),
      run: () => go("library", { library: idOf(to.value) }),
    });
    this.#options.onfewer();
  }

  get #clips() {
    return [...this.#chosen.values()];
  }

  /** Asks in a dialog that shows how far `work(ontold)` is. The errors of it; null if cancelled. */
  async #ask({ body, work, ...options }) {
    const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": t("progress") });
    const all = this.#chosen.size;
    let failures = [];
    const done = await open({
      ...options,
      body: [...body, bar],
      failed: failureBox,
      work: async () => {
        bar.hidden = false;
        ({ failures } = await work((count) => bar.value = count / all));
      },
    });
    return done ? failures : null;
  }

  #delete() {
    const clips = this.#clips;
    this.clear();
    this.#options.ondelete(clips);
  }

  async #zip() {
    const clips = this.#clips;
    await this.#work(() => saveZip(clips, (done) => this.#progress.value = done / clips.length));
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

  /** Tells what became of all; `action` leads to where they are now. */
  #over(what, told, count, failures, action) {
    this.clear();
    this.#options.onedited();
    if (failures.length) tellFailed(failures);
    if (failures.length === count) return;
    const message = t(what, { ...told, count: number(count - failures.length) });
    toast(message, { action });
    announce(message);
  }
}

const button = (mark, label, onclick) =>
  h("button", { type: "button", class: "button small", onclick }, icon(mark), label);
