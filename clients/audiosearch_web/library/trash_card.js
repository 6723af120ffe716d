/** The trash of a library: deleted clips, which come back or go for good. */

import { api } from "../core/api.js";
import { forEach } from "../clips/for_each.js";
import { restoreClips } from "../clips/deletions.js";
import { tellFailed } from "../clips/download.js";
import { h, icon, iconButton } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { idOf, moment, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { open } from "../parts/dialog.js";
import { chips } from "../parts/labels.js";
import { Sound } from "../parts/sound.js";
import { clipSource } from "../parts/sources.js";
import { strings } from "../strings/trash.js";
import { toast } from "../parts/toast.js";
import { isVector, noSound } from "../parts/vectors.js";

const t = words(strings);
const TRASHED = { state: "STATE_TRASHED" };
const SHOWN = 25;
const PAGE = 1000;
const MOST = 5000;

export class TrashCard {
  #library;
  #onrestored;
  #count = 0;
  #next;
  #sounds = [];
  #looking = new AbortController();
  #title = h("h2", { tabindex: "-1" }, t("title"));
  #show = h(
    "button",
    {
      type: "button",
      class: "button small",
      "aria-expanded": "false",
      onclick: () => this.#toggle(),
    },
    t("show"),
  );
  #state = h("p", { class: "quiet", role: "status" });
  #bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": t("progress") });
  #failure = h("div", { class: "slot" });
  #list = h("ul", { class: "sounds", "aria-label": t("title") });
  #more = h(
    "button",
    { type: "button", class: "button small", onclick: () => this.#add() },
    t("more"),
  );
  #ways = h(
    "div",
    { class: "selection-ways" },
    h(
      "button",
      { type: "button", class: "button small", onclick: () => this.#restoreAll() },
      icon("again"),
      t("restoreAll"),
    ),
    h(
      "button",
      { type: "button", class: "button small", onclick: () => this.#empty() },
      icon("trash"),
      t("empty"),
    ),
  );
  #inside = h("div", { class: "trash-inside", hidden: true }, this.#ways, this.#list, this.#more);

  /** `onrestored()` hears that clips have come back. */
  constructor(library, onrestored) {
    this.#library = library.name;
    this.#onrestored = onrestored;
    this.node = h(
      "section",
      { class: "card import-card", "aria-label": t("title"), hidden: true },
      h("div", { class: "row-between" }, this.#title, this.#show),
      this.#state,
      this.#bar,
      this.#failure,
      this.#inside,
    );
  }

  leave() {
    this.#looking.abort();
    this.#forget();
  }

  /** Counts what is in the trash, and shows it anew if it is open. An empty one is not shown. */
  async look() {
    this.#failure.replaceChildren();
    try {
      const counted = await api.countValues(this.#library, "label", 1, TRASHED.state);
      this.#count = Number(counted.clipCount ?? 0);
      this.#state.textContent = t("holds", { count: number(this.#count) });
      const focused = this.node.contains(document.activeElement);
      this.node.hidden = !this.#count;
      if (this.#isOpen) {
        this.#forget();
        await this.#add();
      }
      if (focused) (this.node.hidden ? document.querySelector("h1") : this.#title)?.focus();
    } catch (error) {
      this.#fail(error, () => this.look());
    }
  }

  get #isOpen() {
    return !this.#inside.hidden;
  }

  #toggle() {
    this.#inside.hidden = this.#isOpen;
    this.#show.textContent = t(this.#isOpen ? "hide" : "show");
    this.#show.setAttribute("aria-expanded", String(this.#isOpen));
    this.#forget();
    if (this.#isOpen) this.#add();
  }

  /** Shows the next clips. */
  async #add() {
    const { signal } = this.#looking;
    try {
      const page = await this.#page({ pageSize: SHOWN, pageToken: this.#next, signal });
      this.#next = page.nextPageToken;
      this.#list.append(...(page.clips ?? []).map((clip) => this.#row(clip)));
      this.#more.hidden = !this.#next;
    } catch (error) {
      if (!signal.aborted) this.#fail(error, () => this.look());
    }
  }

  #page(asked) {
    return api.clips(this.#library, { filter: TRASHED, ...asked });
  }

  #row(clip) {
    const name = clip.displayName || idOf(clip.name);
    const sound = isVector(clip) ? null : new Sound(clipSource(clip));
    if (sound) this.#sounds.push(sound);
    return h(
      "li",
      { class: "sound clip" },
      sound?.button ?? noSound(),
      h(
        "div",
        { class: "sound-words" },
        h("span", { class: "sound-name", title: clip.source || name }, name),
        chips({ ...clip, enrolledSpeaker: "" }),
      ),
      h(
        "p",
        { class: "quiet duplicate-place", title: t("deleted", { at: moment(clip.updateTime) }) },
        t("until", { at: moment(clip.purgeTime) }),
      ),
      h("div", { class: "clip-about" }, sound?.time),
      h(
        "div",
        { class: "clip-actions" },
        iconButton("again", t("restore", { name }), () => this.#restore([clip])),
        iconButton("trash", t("delete", { name }), () => this.#deleteOne(clip, name)),
      ),
    );
  }

  async #restore(clips) {
    await this.#work((ontold) => restoreClips(clips, this.#onrestored, ontold), clips.length);
  }

  async #restoreAll() {
    const clips = await this.#all();
    if (clips) await this.#restore(clips);
  }

  async #deleteOne(clip, name) {
    const body = h("p", {}, t("deleteWhat"));
    await this.#ask({ title: t("deleteTitle", { name }), body }, [clip]);
  }

  async #empty() {
    const body = h("p", {}, t("emptyWhat", { count: number(this.#count) }));
    await this.#ask({ title: t("empty"), body });
  }

  /** Deletes clips for good, by default all, if somebody says so in a dialog. */
  async #ask(options, some) {
    if (!(await open({ ...options, confirm: t("deleteGood"), danger: true }))) return;
    const clips = some ?? (await this.#all());
    if (!clips) return;
    await this.#work(async (ontold) => {
      const remove = ({ name }) => api.deleteClip(name, true);
      const { failures } = await forEach(clips, remove, ontold);
      if (failures.length) tellFailed(failures);
      const count = clips.length - failures.length;
      if (count) toast(t("deletedGood", { count: number(count) }));
    }, clips.length);
  }

  /** All clips in the trash, up to MOST; null if they can't be read. */
  async #all() {
    const found = [];
    let pageToken;
    try {
      do {
        const page = await this.#page({ pageSize: PAGE, pageToken });
        found.push(...(page.clips ?? []));
        pageToken = page.nextPageToken;
      } while (pageToken && found.length < MOST);
      return found;
    } catch (error) {
      this.#fail(error, () => this.look());
      return null;
    }
  }

  /** Does something with `count` clips, shows how far it is, and what is left then. */
  async #work(work, count) {
    for (const each of this.#ways.children) each.disabled = true;
    this.#bar.value = 0;
    this.#bar.hidden = count === 1;
    try {
      await work((done) => this.#bar.value = done / count);
    } finally {
      this.#bar.hidden = true;
      for (const each of this.#ways.children) each.disabled = false;
    }
    await this.look();
  }

  #fail(error, again) {
    this.node.hidden = false;
    this.#failure.replaceChildren(failureBox(error, again));
  }

  #forget() {
    for (const sound of this.#sounds) sound.destroy();
    this.#sounds = [];
    this.#next = undefined;
    this.#list.replaceChildren();
  }
}
