/** The clips of a library that are the same recording: looked for when somebody asks. */

import { api } from "../core/api.js";
import { h, icon } from "../core/dom.js";
import { failureBox, inWords } from "../core/failure.js";
import { idOf, length, number, score, seconds } from "../core/format.js";
import { words } from "../core/i18n.js";
import { address } from "../core/router.js";
import { announce } from "../parts/toast.js";
import { Sound } from "../parts/sound.js";
import { clipSource } from "../parts/sources.js";
import { strings } from "../strings/duplicates.js";

const t = words(strings);
const POLL_MS = 1500;
const GROUPS = 20;
const MEMBERS = 20;

export class DuplicatesCard {
  #library;
  #ending = new AbortController();
  #etag;
  #groups = [];
  #shown = 0;
  #sounds = [];
  #button = h(
    "button",
    { type: "button", class: "button small", onclick: () => this.#look() },
    icon("search"),
    h("span", {}, t("look")),
  );
  #bar = h("progress", { max: 1, value: 0, "aria-label": t("progress"), hidden: true });
  #state = h("p", { class: "quiet", role: "status" });
  #failure = h("div", { hidden: true });
  #list = h("div", { class: "duplicates" });
  #more = h(
    "button",
    { type: "button", class: "button small", hidden: true, onclick: () => this.#showMore() },
    t("more"),
  );

  constructor(library) {
    this.#library = library;
    this.node = h(
      "section",
      { class: "card import-card", "aria-label": t("title") },
      h("div", { class: "row-between" }, h("h2", {}, t("title")), this.#button),
      h("p", { class: "quiet" }, t("what")),
      this.#bar,
      this.#state,
      this.#failure,
      this.#list,
      this.#more,
    );
    this.tell(library);
  }

  /** A library of before there were windows is to be brought up to date first. */
  tell(library) {
    this.node.hidden = !library.windowRule;
  }

  leave() {
    this.#ending.abort();
    this.#forget();
  }

  /** Asks until the groups are there and current. */
  async #look() {
    this.#button.disabled = true;
    this.#bar.hidden = false;
    this.#failure.hidden = true;
    const { signal } = this.#ending;
    try {
      while (!this.#take(await wholeAnswer(this.#library.name, this.#etag, signal))) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        if (signal.aborted) return;
      }
      announce(this.#state.textContent);
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(failureBox(error, () => this.#look()));
    } finally {
      this.#button.disabled = false;
      this.#bar.hidden = true;
    }
    this.#button.lastChild.textContent = t("again");
  }

  /** Shows an answer; true if it is the last one. */
  #take(found) {
    this.#bar.value = found.progress;
    if (found.state === "STATE_PENDING") {
      this.#state.textContent = t("looking");
      return false;
    }
    if (found.etag !== this.#etag) this.#draw(found.groups);
    this.#etag = found.etag;
    const ready = found.state === "STATE_READY";
    this.#state.textContent = ready ? told(found, this.#groups) : t("stale");
    if (found.failure) {
      const { reason, message } = found.failure;
      this.#fail(h("p", { class: "failure", role: "alert" }, inWords(reason, message)));
    }
    return ready || Boolean(found.failure);
  }

  #fail(box) {
    this.#failure.hidden = false;
    this.#failure.replaceChildren(box);
  }

  #draw(groups) {
    this.#forget();
    this.#groups = groups;
    this.#shown = 0;
    this.#list.replaceChildren();
    this.#showMore();
  }

  #showMore() {
    const next = this.#groups.slice(this.#shown, this.#shown + GROUPS);
    this.#shown += next.length;
    this.#list.append(...next.map((group) => this.#group(group)));
    this.#more.hidden = this.#shown >= this.#groups.length;
  }

  #group({ members, memberCount }) {
    const left = memberCount - Math.min(members.length, MEMBERS);
    return h(
      "section",
      {},
      h("h3", {}, t("group", { count: number(memberCount) })),
      h(
        "ul",
        { class: "sounds" },
        members.slice(0, MEMBERS).map((member, place) => this.#row(member, !place)),
      ),
      left > 0 && h("p", { class: "quiet" }, t("others", { count: number(left) })),
    );
  }

  #row(member, longest) {
    const name = member.displayName || idOf(member.clip);
    const [, library] = member.clip.split("/");
    const sound = new Sound(
      clipSource({
        name: member.clip,
        displayName: name,
        audio: { duration: member.duration },
      }),
    );
    this.#sounds.push(sound);
    return h(
      "li",
      { class: "sound clip duplicate" },
      sound.button,
      h("div", { class: "sound-words" }, h("span", { class: "sound-name", title: name }, name)),
      h("p", { class: "quiet duplicate-place" }, longest ? t("longest") : place(member)),
      h("div", { class: "clip-about" }, sound.time, !longest && likeness(member)),
      h(
        "div",
        { class: "clip-actions" },
        h(
          "a",
          {
            class: "icon-button",
            href: address("search", { library, clip: idOf(member.clip) }),
            "aria-label": t("searchWith", { name }),
            title: t("searchWithShort"),
          },
          icon("search"),
        ),
      ),
    );
  }

  #forget() {
    for (const sound of this.#sounds) sound.destroy();
    this.#sounds = [];
  }
}

/** All pages of an answer as one. */
async function wholeAnswer(library, etag, signal) {
  const found = await api.duplicates(library, { etag }, signal);
  let page = found;
  while (page.nextPageToken) {
    page = await api.duplicates(library, { pageToken: page.nextPageToken }, signal);
    found.groups.push(...page.groups);
  }
  return found;
}

/** The stretch of a clip that is alike, and its place in the longest one. */
function place({ startOffset, endOffset, timeOffset }) {
  const start = seconds(startOffset);
  const at = Math.max(0, start + seconds(timeOffset));
  return t("at", { start: length(start), end: length(seconds(endOffset)), at: length(at) });
}

function told({ groupCount, truncated }, groups) {
  if (!groupCount) return t("none");
  const clips = groups.reduce((sum, { memberCount }) => sum + memberCount, 0);
  const counted = t("groups", { count: number(groupCount), clips: number(clips) });
  return truncated ? `${counted}. ${t("truncated")}` : counted;
}

const likeness = (member) =>
  h(
    "span",
    { title: t("likeness") },
    h("span", { class: "unseen" }, `${t("likeness")} `),
    score(member.score),
  );
