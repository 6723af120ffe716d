/** The clips of a library, page by page, with filters; or the enrollments of one speaker. */

import { api } from "../core/api.js";
import { ClipFilters } from "./filters.js";
import { clipRow } from "./row.js";
import { h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { words } from "../core/i18n.js";
import { deleteClips, isGoing } from "./deletions.js";
import { Selection } from "./selection.js";
import { bind } from "../parts/keyboard.js";
import { Pager } from "../parts/pager.js";
import { holdsVoices } from "../parts/purpose.js";
import { library as strings } from "../strings/library.js";
import { calm } from "../core/theme.js";
import { announce } from "../parts/toast.js";
import { holdsVectors } from "../parts/vectors.js";

const t = words(strings);
const PAGE = 25;
const REFRESH_MS = 1500;
const MOST_BEFORE = 1000;

export class ClipList {
  #library;
  #filters;
  #speaker;
  #onchange;
  #detach;
  #rows = [];
  #asking = null;
  #refreshing = null;
  #list;
  #below = h("div", { class: "slot" });
  #fresh = h(
    "button",
    { type: "button", class: "button small", hidden: true, onclick: () => this.load() },
    icon("again"),
    t("fresh"),
  );
  #pager;
  #onfilter;
  #unbind;
  #selection = new Selection({
    onchange: () => this.#mark(),
    onedited: () => this.load(),
    ondelete: (clips) => this.#delete(clips),
    onfewer: () => this.#onchange(),
    library: () => this.#library,
    page: (asked) => this.#page(asked),
    rows: () => this.#rows.map(({ clip }) => clip),
  });

  /**
   * `filter` is as ClipFilters has it; `onfilter(filter)` hears of another one, `onchange()` that
   * there are other clips. For a speaker's enrollments give `speaker`, its name, instead of the
   * filter, and `detach(clip)`, which takes one from them and answers whether it did.
   */
  constructor(library, filter, { onfilter, onchange, speaker, detach }) {
    this.#library = library;
    this.#speaker = speaker;
    this.#onfilter = onfilter;
    const page = Math.floor(Number(filter?.page)) || 1;
    this.#pager = new Pager(PAGE, t("pages"), () => this.#turn(), Math.max(page, 1));
    this.#onchange = onchange;
    this.#detach = detach;
    this.#filters = new ClipFilters(filter, () => this.#filtered());
    const title = t(speaker ? "enrollments" : "clips");
    this.#list = h("ul", { class: "sounds clips", "aria-label": title });
    this.node = h(
      "section",
      { class: "clips-section", "aria-label": title },
      h(
        "div",
        { class: "row-between filters-head" },
        h("h2", { tabindex: "-1" }, title),
        speaker ? null : this.#filters.node,
      ),
      this.#fresh,
      this.#selection.node,
      this.#list,
      this.#below,
      this.#pager.node,
    );
    this.#unbind = bind({
      j: () => this.#move(1),
      ArrowDown: () => this.#move(1),
      k: () => this.#move(-1),
      ArrowUp: () => this.#move(-1),
      " ": () => this.#current?.sound?.toggle() ?? (this.#current ? undefined : false),
      ArrowLeft: () => (this.#current?.sound ? this.#current.sound.seek(-1) : false),
      ArrowRight: () => (this.#current?.sound ? this.#current.sound.seek(1) : false),
      Enter: () => {
        if (!this.#current?.again) return false;
        location.hash = this.#current.again;
        return true;
      },
    });
  }

  /** The library as it is now. */
  tell(library) {
    this.#library = library;
  }

  /** Looks for new clips in a while, however often it is called meanwhile: imports bring many. */
  refreshSoon() {
    this.#refreshing ??= setTimeout(() => {
      this.#refreshing = null;
      if (this.node.isConnected) this.load({ quietly: true });
    }, REFRESH_MS);
  }

  leave() {
    this.#asking?.abort();
    this.#unbind();
    this.#clear();
  }

  /** True while somebody listens or moves through the rows, which then stay as they are. */
  get #busy() {
    return (
      this.#list.contains(document.activeElement) || this.#rows.some(({ sound }) => sound?.playing)
    );
  }

  get #current() {
    return this.#rows.find(({ node }) => node.contains(document.activeElement));
  }

  async load({ quietly = false } = {}) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.#list.setAttribute("aria-busy", "true");
    try {
      const { unknown } = this.#pager;
      if (unknown > MOST_BEFORE) this.#pager.reset();
      else if (unknown) {
        const before = await this.#page({ pageSize: unknown, signal: asking.signal });
        this.#pager.learn(before.nextPageToken);
      }
      const page = await this.#page({
        pageSize: PAGE,
        pageToken: this.#pager.token,
        signal: asking.signal,
      });
      if (!quietly || !this.#goesOn(page)) this.#show(page);
      if (!quietly) announce(t("shown", { count: page.clips?.length ?? 0 }));
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#clear();
      this.#below.replaceChildren(failureBox(error, () => this.load()));
    }
    this.#list.setAttribute("aria-busy", "false");
  }

  /** A page of the clips of the filter, without those that are being deleted. */
  async #page(asked) {
    const filter = this.#speaker ? { enrolledSpeaker: this.#speaker } : this.#filters.asked;
    const { orderBy } = this.#filters;
    const { clips = [], nextPageToken } = await api.clips(this.#library.name, {
      filter,
      orderBy,
      ...asked,
    });
    return { clips: clips.filter(({ name }) => !isGoing(name)), nextPageToken };
  }

  #mark() {
    for (const { clip, node } of this.#rows) {
      const on = this.#selection.has(clip);
      node.classList.toggle("selected", on);
      const box = node.querySelector(".clip-select");
      if (box) box.checked = on;
    }
  }

  #delete(clips) {
    const again = () => {
      if (this.node.isConnected) this.load();
      this.#onchange();
    };
    deleteClips(clips, { ongone: () => this.#onchange(), onback: again });
    const names = new Set(clips.map(({ name }) => name));
    for (const row of this.#rows.filter(({ clip }) => names.has(clip.name))) this.#gone(row);
  }

  /** Adds what a page has more than is shown; false if that is not all that is new. */
  #goesOn({ clips = [], nextPageToken }) {
    const same = this.#rows.every(({ clip }, place) => {
      const now = clips[place];
      return now?.name === clip.name && now.updateTime === clip.updateTime;
    });
    if (!same && this.#busy) this.#fresh.hidden = false;
    if (!same || !this.#rows.length) return !same && this.#busy;
    for (const clip of clips.slice(this.#rows.length)) this.#add(clip);
    this.#pager.show(this.#rows.length, nextPageToken);
    return true;
  }

  #clear() {
    for (const { sound } of this.#rows) sound?.destroy();
    this.#rows = [];
    this.#list.replaceChildren();
    this.#below.replaceChildren();
  }

  #show({ clips = [], nextPageToken }) {
    this.#clear();
    this.#fresh.hidden = true;
    for (const clip of clips) this.#add(clip);
    if (this.#rows[0]) this.#rows[0].node.tabIndex = 0;
    if (!clips.length) this.#below.replaceChildren(this.#nothing());
    this.#pager.show(this.#rows.length, nextPageToken);
  }

  #add(clip) {
    const row = clipRow(clip, {
      onchange: (changed) => {
        const place = this.#rows.indexOf(row);
        this.#replace(place, changed);
      },
      ondelete: () => this.#delete([row.clip]),
      box: this.#speaker ? undefined : (each, name) => this.#selection.box(each, name),
      voices: holdsVoices(this.#library),
      detach: this.#detach && (async () => (await this.#detach(clip)) && this.#detached(row)),
    });
    this.#rows.push(row);
    this.#list.append(row.node);
    return row;
  }

  #gone(row) {
    row.sound?.destroy();
    row.node.remove();
    this.#rows = this.#rows.filter((each) => each !== row);
    (this.#rows[0]?.node ?? this.node.querySelector("select, h2")).focus();
    if (!this.#rows.length) this.load({ quietly: true });
  }

  #detached(row) {
    this.#gone(row);
    this.#onchange();
  }

  #replace(place, clip) {
    const old = this.#rows[place];
    old.sound?.destroy();
    const row = this.#add(clip);
    this.#rows.pop();
    this.#rows[place] = row;
    old.node.replaceWith(row.node);
    row.node.focus();
  }

  #move(step) {
    if (!this.#rows.length) return false;
    const at = this.#rows.indexOf(this.#current);
    const { node } =
      this.#rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), this.#rows.length - 1)];
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    return true;
  }

  #filtered() {
    if (!this.node.isConnected) return;
    this.#pager.reset();
    this.#selection.clear();
    this.#tellAddress();
    this.load();
  }

  #nothing() {
    const filtered = this.#filters.any;
    const none = holdsVectors(this.#library) ? "noVectors" : "noClips";
    const what = this.#speaker ? "noEnrollments" : filtered ? "noSuch" : none;
    return h(
      "div",
      { class: "empty" },
      icon(filtered ? "search" : "wave"),
      h("h3", {}, t(what)),
      h("p", {}, t(`${what}More`)),
    );
  }

  /** Filter and page stand in the address: a reload shows them again. */
  #tellAddress() {
    const { page } = this.#pager;
    this.#onfilter?.({ ...this.#filters.values, page: page > 1 ? page : undefined });
  }

  async #turn() {
    this.#tellAddress();
    await this.load();
    this.node.scrollIntoView({ behavior: calm() ? "auto" : "smooth" });
    this.#rows[0]?.node.focus({ preventScroll: true });
  }
}
