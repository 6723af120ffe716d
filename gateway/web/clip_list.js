/** The clips of a library, page by page, with filters. */

import { api } from "./api.js";
import { clipRow } from "./clip_row.js";
import { afterPause, field, h, icon } from "./dom.js";
import { failureBox } from "./failure.js";
import { number } from "./format.js";
import { words } from "./i18n.js";
import { bind } from "./keyboard.js";
import { library as strings } from "./strings/library.js";
import { calm } from "./theme.js";
import { announce } from "./toast.js";

const t = words(strings);
const PAGE = 25;
const REFRESH_MS = 1500;
const STATES = ["ACTIVE", "FAILED", "CREATING", "DELETING"];
const TEXTS = ["displayNamePrefix", "label", "speaker"];

export class ClipList {
  #library;
  #filter;
  #onfilter;
  #onchange;
  #tokens = [undefined];
  #rows = [];
  #asking = null;
  #refreshing = null;
  #list = h("ul", { class: "sounds clips", "aria-label": t("clips") });
  #below = h("div", { class: "slot" });
  #fresh = h(
    "button",
    { type: "button", class: "button small", hidden: true, onclick: () => this.load() },
    icon("again"),
    t("fresh"),
  );
  #pager = h("nav", { class: "pager", "aria-label": t("pages") });
  #unbind;

  /** `filter` has state, label, speaker and displayNamePrefix, each or none. */
  constructor(library, filter, { onfilter, onchange }) {
    this.#library = library;
    this.#filter = Object.fromEntries(
      [...TEXTS, "state"].map((key) => [key, filter[key] || undefined]),
    );
    this.#onfilter = onfilter;
    this.#onchange = onchange;
    this.node = h(
      "section",
      { class: "clips-section", "aria-label": t("clips") },
      this.#filters(),
      this.#fresh,
      this.#list,
      this.#below,
      this.#pager,
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

  /** Whether somebody listens or moves through the rows: then nothing is pulled from under them. */
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
      const { state, ...texts } = this.#filter;
      const filter = { ...texts, state: state && `STATE_${state}` };
      const page = await api.clips(this.#library.name, {
        filter,
        pageSize: PAGE,
        pageToken: this.#tokens.at(-1),
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

  /** Adds what a page has more than is shown; false if that is not all that is new. */
  #goesOn({ clips = [], nextPageToken }) {
    const same = this.#rows.every(({ clip }, place) => {
      const now = clips[place];
      return now?.name === clip.name && now.updateTime === clip.updateTime;
    });
    if (!same && this.#busy) this.#fresh.hidden = false;
    if (!same || !this.#rows.length) return !same && this.#busy;
    for (const clip of clips.slice(this.#rows.length)) this.#add(clip);
    this.#showPager(nextPageToken);
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
    this.#showPager(nextPageToken);
  }

  #add(clip) {
    const row = clipRow(clip, {
      onchange: (changed) => {
        const place = this.#rows.indexOf(row);
        this.#replace(place, changed);
      },
      ondelete: () => {
        row.sound?.destroy();
        row.node.remove();
        this.#rows = this.#rows.filter((each) => each !== row);
        (this.#rows[0]?.node ?? this.node.querySelector("select")).focus();
        this.#onchange();
        if (!this.#rows.length) this.load({ quietly: true });
      },
    });
    this.#rows.push(row);
    this.#list.append(row.node);
    return row;
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

  #filters() {
    const change = afterPause(300, () => this.#filtered());
    const input = (key) => {
      const node = h("input", {
        type: "search",
        autocomplete: "off",
        value: this.#filter[key] ?? "",
        maxLength: 255,
        oninput: () => {
          this.#filter[key] = node.value || undefined;
          change();
        },
      });
      return field(t(key), node);
    };
    const state = h(
      "select",
      {
        onchange: () => {
          this.#filter.state = state.value === STATES[0] ? undefined : state.value;
          this.#filtered();
        },
      },
      STATES.map((value) =>
        h("option", { value, selected: value === this.#filter.state }, t(value)),
      ),
    );
    return h(
      "div",
      { class: "row-between filters-head" },
      h("h2", {}, t("clips")),
      h(
        "div",
        { class: "filters", role: "search", "aria-label": t("filters") },
        TEXTS.map(input),
        field(t("state"), state),
      ),
    );
  }

  #filtered() {
    if (!this.node.isConnected) return;
    this.#tokens = [undefined];
    this.#onfilter(this.#filter);
    this.load();
  }

  #nothing() {
    const filtered = Object.values(this.#filter).some(Boolean);
    const [title, more] = filtered ? ["noSuch", "noSuchMore"] : ["noClips", "noClipsMore"];
    return h(
      "div",
      { class: "empty" },
      icon(filtered ? "search" : "wave"),
      h("h3", {}, t(title)),
      h("p", {}, t(more)),
    );
  }

  #showPager(nextPageToken) {
    const page = this.#tokens.length;
    const first = (page - 1) * PAGE + 1;
    const turn = (name, label, active, run) =>
      h(
        "button",
        { type: "button", class: "button small", disabled: !active, onclick: run },
        label,
      );
    if (page === 1 && !nextPageToken) {
      this.#pager.replaceChildren();
      return;
    }
    this.#pager.replaceChildren(
      turn("previous", t("previous"), page > 1, () => this.#turn(() => this.#tokens.pop())),
      h(
        "span",
        { class: "quiet" },
        t("range", { from: number(first), to: number(first + this.#rows.length - 1) }),
      ),
      turn("next", t("next"), nextPageToken, () =>
        this.#turn(() => this.#tokens.push(nextPageToken)),
      ),
    );
  }

  async #turn(step) {
    step();
    await this.load();
    this.node.scrollIntoView({ behavior: calm() ? "auto" : "smooth" });
    this.#rows[0]?.node.focus({ preventScroll: true });
  }
}
