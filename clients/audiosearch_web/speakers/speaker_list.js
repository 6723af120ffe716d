/** The speakers of a library, page by page, and found by name. */

import { api } from "../core/api.js";
import { afterPause, h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { idOf, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { bind } from "../parts/keyboard.js";
import { Pager } from "../parts/pager.js";
import { calledSpeaker, speakerRow } from "./speaker_rows.js";
import { strings } from "../strings/speakers.js";
import { calm } from "../core/theme.js";
import { announce } from "../parts/toast.js";

const t = words(strings);
const PAGE = 100;
const MOST_SEARCHED = 10000;

export class SpeakerList {
  #library;
  #onload;
  #asking = null;
  #all = null;
  #pager = new Pager(PAGE, t("pages"), () => this.#turn());
  #list = h("ul", { class: "speakers", "aria-label": t("enrolled") });
  #below = h("div", { class: "slot" });
  #find = h("input", {
    type: "search",
    autocomplete: "off",
    maxLength: 255,
    placeholder: t("find"),
    "aria-label": t("find"),
    oninput: afterPause(250, () => this.load()),
  });
  #unbind = bind({
    j: () => this.#move(1),
    ArrowDown: () => this.#move(1),
    k: () => this.#move(-1),
    ArrowUp: () => this.#move(-1),
  });

  /** `onenroll()` hears that somebody is to be enrolled, `onload(any)` whether anybody is. */
  constructor(library, { onenroll, onload }) {
    this.#library = library;
    this.#onload = onload;
    const enroll = h(
      "button",
      { type: "button", class: "button primary", onclick: onenroll },
      icon("plus"),
      t("enrollSomebody"),
    );
    this.node = h(
      "section",
      { class: "clips-section", "aria-labelledby": "enrolled" },
      h(
        "div",
        { class: "row-between" },
        h("h2", { id: "enrolled", tabindex: "-1" }, t("enrolled")),
        h("div", { class: "ways" }, this.#find, enroll),
      ),
      this.#list,
      this.#below,
      this.#pager.node,
    );
  }

  leave() {
    this.#asking?.abort();
    this.#unbind();
  }

  async load() {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.#list.setAttribute("aria-busy", "true");
    try {
      const text = this.#find.value.trim();
      const found = text ? await this.#found(text) : await this.#page(asking.signal);
      if (!asking.signal.aborted) this.#show(found, text);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#list.replaceChildren();
      this.#below.replaceChildren(failureBox(error, () => this.load()));
    }
    this.#list.setAttribute("aria-busy", "false");
  }

  async #page(signal) {
    const { speakers = [], nextPageToken } = await api.speakers(this.#library, {
      pageSize: PAGE,
      pageToken: this.#pager.token,
      signal,
    });
    return { speakers, nextPageToken };
  }

  /** Speakers whose name or id has a text in it: the server lists them by id alone. */
  async #found(text) {
    this.#all ??= api.allSpeakers(this.#library, MOST_SEARCHED).catch((error) => {
      this.#all = null;
      throw error;
    });
    const wanted = text.toLowerCase();
    const fits = (speaker) =>
      `${idOf(speaker.name)}\n${calledSpeaker(speaker)}`.toLowerCase().includes(wanted);
    const speakers = (await this.#all).filter(fits);
    return { speakers: speakers.slice(0, PAGE), more: Math.max(speakers.length - PAGE, 0) };
  }

  #show({ speakers, nextPageToken, more }, text) {
    this.#list.replaceChildren(...speakers.map(speakerRow));
    this.#below.replaceChildren();
    if (more) {
      this.#below.append(h("p", { class: "quiet" }, t("moreFound", { count: number(more) })));
    }
    if (!speakers.length) this.#below.append(nobody(text));
    this.#pager.node.hidden = Boolean(text);
    if (text) {
      announce(t("foundSpeakers", { count: speakers.length + more }));
      return;
    }
    this.#pager.show(speakers.length, nextPageToken);
    this.#find.hidden = !speakers.length;
    this.#onload(speakers.length > 0);
  }

  async #turn() {
    await this.load();
    this.node.scrollIntoView({ behavior: calm() ? "auto" : "smooth" });
    this.#list.querySelector("a")?.focus({ preventScroll: true });
  }

  #move(step) {
    const links = [...this.#list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const next = links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)];
    next?.focus();
    return Boolean(next);
  }
}

const nobody = (text) =>
  h(
    "div",
    { class: "empty" },
    icon(text ? "search" : "speakers"),
    h("h3", {}, t(text ? "noSuch" : "noSpeakers")),
    h("p", {}, t(text ? "noSuchMore" : "noSpeakersMore")),
  );
