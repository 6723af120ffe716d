/** The matches of a search, as they come; moved through by keys. */

import { h, icon } from "../core/dom.js";
import { idOf } from "../core/format.js";
import { words } from "../core/i18n.js";
import { address } from "../core/router.js";
import { chips, scoreOf, whoLink } from "../parts/labels.js";
import { Sound } from "../parts/sound.js";
import { clipSource } from "../parts/sources.js";
import { search } from "../strings/search.js";
import { stretchesOf, stretchRow } from "./stretches.js";
import { calm } from "../core/theme.js";
import { isVector, noSound } from "../parts/vectors.js";

const t = words(search);

/** Never behind the end of the clip. */
const tenths = (seconds) => Math.floor(10 * seconds) / 10;

export class Results {
  #rows = [];
  #at = -1;

  /** False for sounds: nobody asks whose voice they are. */
  voices = true;

  constructor() {
    this.list = h("ol", {
      class: "sounds",
      "aria-label": t("results"),
      onfocusin: (event) => this.#chosen(event),
    });
  }

  clear() {
    for (const { sound } of this.#rows) sound?.destroy();
    this.#rows = [];
    this.#at = -1;
    this.list.replaceChildren();
  }

  /**
   * Adds a match; `asked` is the length of the query in seconds, where it has one. A match that is
   * a vector has no sound.
   */
  add(match, asked) {
    const { clip } = match;
    const stretches = stretchesOf(match);
    const sound = isVector(clip) ? null : new Sound(clipSource(clip), { from: stretches[0]?.from });
    sound?.mark(stretches.filter(({ asPart }) => asPart));
    const query = { library: clip.name.split("/")[1], clip: idOf(clip.name) };
    const again = address("search", query);
    const name = clip.displayName || idOf(clip.name);
    const node = h(
      "li",
      { class: "sound", tabindex: this.#rows.length ? "-1" : "0" },
      sound?.button ?? noSound(),
      h(
        "div",
        { class: "sound-words" },
        h("span", { class: "sound-name", title: name }, name),
        chips(clip),
      ),
      scoreOf(match.score ?? 0),
      sound?.wave ?? "",
      h(
        "div",
        { class: "sound-end" },
        sound?.time,
        sound && this.voices && whoLink(clip, name),
        h(
          "a",
          {
            class: "icon-button",
            href: again,
            "aria-label": t("againWith", { name }),
            title: t("againShort"),
          },
          icon("search"),
        ),
      ),
      stretchRow(stretches, {
        name,
        asked,
        onplay: (from) => sound.playFrom(from),
        again: (from, to) =>
          address("search", { ...query, from: tenths(from) || undefined, to: tenths(to) }),
      }),
    );
    this.#rows.push({ node, sound, again });
    this.list.append(node);
  }

  /** The sound that is chosen, or undefined. */
  get current() {
    return this.#rows[this.#at];
  }

  /** Chooses the next (1) or the one before (-1); false when there is none. */
  move(step) {
    if (!this.#rows.length) return false;
    const next = this.#at < 0 ? 0 : Math.min(Math.max(this.#at + step, 0), this.#rows.length - 1);
    const { node } = this.#rows[next];
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    return true;
  }

  #chosen({ target }) {
    const next = this.#rows.findIndex(({ node }) => node.contains(target));
    if (next < 0) return;
    this.#rows.forEach(({ node }, place) => {
      node.tabIndex = place === next ? 0 : -1;
      node.classList.toggle("chosen", place === next);
    });
    this.#at = next;
  }
}
