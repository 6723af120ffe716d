/** The page Search: a sound in, the sounds most like it out. */

import { api } from "../core/api.js";
import { filesBelow, takeDrops } from "../parts/drops.js";
import { isSound } from "../parts/sounds.js";
import { afterPause, h, keepHeading } from "../core/dom.js";
import { failureBox, said } from "../core/failure.js";
import { idOf, moment, score, seconds } from "../core/format.js";
import { words } from "../core/i18n.js";
import { bind } from "../parts/keyboard.js";
import { chooseLibrary, libraryPicker } from "../parts/picker.js";
import { takeQuery } from "../start/handover.js";
import { holdsVoices, modelNote } from "../parts/purpose.js";
import { Results } from "./results.js";
import { address, go, rewrite } from "../core/router.js";
import { clear, DEFAULT_K, onSearch, search, session } from "./session.js";
import { exportsOf } from "./exports.js";
import { filtersOf, SearchFilters } from "./filters.js";
import { nothingFound, summaryOf } from "./notes.js";
import { SearchOptions } from "./options.js";
import { span, stretchesOf } from "./stretches.js";
import { SoundBox } from "../parts/sound_box.js";
import { Start } from "../start/start.js";
import { clipSource, fileSource } from "../parts/sources.js";
import { search as strings } from "../strings/search.js";
import { announce, toast } from "../parts/toast.js";
import { holdsVectors } from "../parts/vectors.js";
import { VectorBox } from "./vector_box.js";
import { WordsBox } from "./words_box.js";

const t = words(strings);
const MOST_NAME = 255;

export async function show(root, params) {
  const page = new SearchPage(root);
  root.append(h("h1", {}, t("title")));
  await page.open(params);
  const leave = () => page.leave();
  leave.update = (next) => page.follow(next);
  return leave;
}

class SearchPage {
  #root;
  #libraries = [];
  #results = new Results();
  #box = new SoundBox({
    onfiles: ([{ blob, name }]) => this.#searchFile(blob, name),
    onlink: () => this.#link(),
  });
  #vectors = new VectorBox();
  #words = new WordsBox((asked) => this.#searchWords(asked));
  #queryPlace = h("div", { class: "slot" });
  #options = new SearchOptions(() => this.#searchSoon());
  #filters = new SearchFilters(() => this.#searchSoon());
  #head = h("div", { class: "results-head" });
  #below = h("div");
  #endings = [];
  #endDrops = null;
  #start = null;
  #left = false;

  constructor(root) {
    this.#root = root;
  }

  async open(params) {
    const { libraries, chosen } = await chooseLibrary(params.library);
    if (this.#left) return;
    this.#libraries = libraries;
    if (!libraries.length && !params.library) {
      this.#start = new Start();
      this.#root.append(this.#start.node);
      return;
    }
    keepHeading(this.#root, () => this.#draw(libraries, chosen));
    this.#endings = [
      onSearch((event, match) => this.#told(event, match)),
      bind(this.#keys()),
    ];
    await this.follow({ ...params, library: chosen });
  }

  leave() {
    this.#left = true;
    this.#start?.leave();
    for (const end of this.#endings) end();
    this.#endDrops?.();
    this.#box.leave();
    this.#vectors.leave();
    this.#results.clear();
  }

  /** Does what the address says, where that is not done already. */
  async follow(params) {
    if (this.#start) await this.#begun(params);
    else await this.#follow(params);
  }

  /** There was no library, and now there may be one. */
  async #begun(params) {
    this.#start.leave();
    this.#start.node.remove();
    this.#start = null;
    await this.open(params);
  }

  async #follow(
    { library, clip, query: shared, words: asked, k, minScore, from, to, ...narrowing },
  ) {
    const handed = takeQuery();
    if (handed) {
      clear();
      Object.assign(session, { file: handed, channel: 0 });
    }
    const wanted = {
      library: library ?? session.library,
      k: Number(k) || DEFAULT_K,
      minScore: Number(minScore) || 0,
      from: Number(from) || 0,
      to: Number(to) || 0,
      ...filtersOf(narrowing),
    };
    const same = Object.entries(wanted).every(([key, value]) => session[key] === value) &&
      (clip ?? null) === idOfQuery() && (clip ? undefined : asked) === session.query?.words &&
      (!shared || shared === sharedQuery());
    this.#options.values = wanted;
    this.#filters.values = wanted;
    this.#results.voices = holdsVoices(this.#known(wanted.library));
    this.#offerFilters(wanted.library);
    this.#offerDrops(wanted.library);
    if (same) {
      this.#showAll();
    } else if (clip) {
      await this.#searchClip(`libraries/${wanted.library}/clips/${clip}`, wanted);
    } else if (shared) {
      await this.#searchShared(shared, wanted);
    } else if (asked) {
      this.#begin({ ...wanted, query: { words: asked } });
    } else if (session.file && !holdsVectors(this.#known(wanted.library))) {
      this.#begin({ ...wanted, query: session.file });
    } else {
      Object.assign(session, wanted);
      clear();
      this.#showAll();
    }
  }

  #draw(libraries, chosen) {
    const picker = libraryPicker({
      libraries,
      chosen,
      onchoose: (library) => {
        const { k, minScore, from, to } = this.#params();
        const { words: asked } = session.query ?? {};
        const part = session.query?.clip ? {} : { from, to };
        go("search", { library, words: asked, k, minScore, ...part });
      },
    });
    this.#root.replaceChildren(
      h("div", { class: "row-between" }, h("h1", { tabindex: "-1" }, t("title")), picker),
      this.#queryPlace,
      h("div", { class: "asking" }, this.#words.node, this.#options.node),
      h(
        "section",
        { class: "results", "aria-label": t("results") },
        this.#filters.node,
        this.#head,
        this.#results.list,
        this.#below,
      ),
    );
  }

  #searchSoon = afterPause(250, () => {
    if (this.#left) return;
    rewrite("search", this.#params());
    this.#begin(this.#narrowing(), { sameQuery: true });
  });

  /** The values of options and filters. */
  #narrowing() {
    return { ...this.#options.values, ...this.#filters.values };
  }

  /** The parameters in the address, without those that are as at the start. */
  #params() {
    const { k, ...others } = this.#narrowing();
    const set = Object.entries({ ...others, from: session.from, to: session.to })
      .filter(([, value]) => value);
    return {
      library: session.library,
      clip: idOfQuery() ?? undefined,
      query: sharedQuery(),
      words: session.query?.words,
      k: k === DEFAULT_K ? undefined : k,
      ...Object.fromEntries(set),
    };
  }

  #begin(changes, { sameQuery = false } = {}) {
    const lost = this.#results.list.contains(document.activeElement);
    search(changes);
    if (!sameQuery) this.#showQuery();
    if (!session.query) this.#showAll();
    // The result that was searched with is gone with the others.
    if (lost) this.#root.querySelector(".query-name")?.focus();
  }

  #searchFile(blob, name) {
    const query = fileSource(blob, name);
    Object.assign(session, { query, file: query, channel: 0, from: 0, to: 0 });
    const next = address("search", { ...this.#params(), clip: undefined });
    if (location.hash !== next) history.pushState(null, "", next);
    this.#begin({ query, ...this.#narrowing() });
  }

  #searchWords(asked) {
    Object.assign(session, { query: { words: asked }, channel: 0, from: 0, to: 0 });
    const next = address("search", this.#params());
    if (location.hash !== next) history.pushState(null, "", next);
    this.#begin(this.#narrowing());
  }

  async #searchClip(name, wanted) {
    Object.assign(session, wanted);
    try {
      this.#begin({ query: clipSource(await api.clip(name)) });
    } catch (error) {
      clear();
      this.#showAll();
      this.#below.replaceChildren(failureBox(error, () => this.#searchClip(name, wanted)));
    }
  }

  /** Searches with a sound that somebody else has searched with. */
  async #searchShared(id, wanted) {
    Object.assign(session, wanted);
    const name = `libraries/${wanted.library}/queries/${id}`;
    try {
      const { displayName, channel } = await api.query(name);
      const query = fileSource(await api.audio(name), displayName);
      query.shared = { library: wanted.library, id };
      Object.assign(session, { file: query, channel: channel ?? 0 });
      this.#begin({ query });
    } catch (error) {
      clear();
      this.#showAll();
      this.#below.replaceChildren(failureBox(error, () => this.#searchShared(id, wanted)));
    }
  }

  async #dropped(entries) {
    const found = [];
    for await (const file of filesBelow(entries)) {
      found.push(file);
      if (found.length > 50) break;
    }
    let first = found[0];
    if (!first) return;
    for (const file of found) {
      if (!(await isSound(file))) continue;
      first = file;
      break;
    }
    if (found.length > 1) toast(t("firstOnly", { name: first.name }));
    this.#searchFile(await first.file(), first.name);
  }

  /** A sound of this browser is kept on the server for a time, so that others can hear it. */
  async #link() {
    const { query, library, channel } = session;
    if (!query.file || sharedQuery()) return copyLink();
    try {
      const kept = await api.createQuery(`libraries/${library}`, query.file, {
        displayName: query.name.slice(0, MOST_NAME),
        channel: channel || undefined,
      });
      query.shared = { library, id: idOf(kept.name) };
      if (session.query !== query || session.library !== library) return;
      rewrite("search", this.#params());
      await copyLink(kept.expireTime);
    } catch (error) {
      toast(said(error), { kind: "error" });
    }
  }

  #told(event, match) {
    if (event === "begin") {
      this.#results.clear();
      this.#below.replaceChildren();
      this.#head.replaceChildren(h("h2", {}, t("searching")));
      this.#results.list.setAttribute("aria-busy", "true");
    } else if (event === "match") {
      this.#results.add(match, lengthAsked());
    } else {
      this.#ended();
    }
  }

  #showQuery() {
    const { from, to } = session;
    const query = session.query?.words ? null : session.query;
    this.#words.value = session.query?.words ?? "";
    const library = this.#known(session.library);
    if (holdsVectors(library)) {
      this.#box.leave();
      this.#vectors.show(library, query);
      this.#queryPlace.replaceChildren(this.#vectors.node);
      return;
    }
    if (!this.#box.node.isConnected) this.#queryPlace.replaceChildren(this.#box.node);
    this.#box.show(query, {
      chosen: { from, to },
      onstretch: this.#hasWindows(session.library) ? (chosen) => this.#choose(chosen) : undefined,
    });
  }

  /** A sound that is dropped on vectors could only fail. */
  #offerDrops(library) {
    if (holdsVectors(this.#known(library))) {
      this.#endDrops?.();
      this.#endDrops = null;
    } else this.#endDrops ??= takeDrops(t("dropAnywhere"), (entries) => this.#dropped(entries));
  }

  #offerFilters(library) {
    this.#filters.node.hidden = !this.#hasWindows(library);
    if (this.#filters.node.hidden) return;
    const lengths = !holdsVectors(this.#known(library));
    this.#filters.offer(`libraries/${library}`, { lengths });
  }

  /**
   * False for a library of before there were windows: it can't be narrowed, or asked with a part of
   * a sound.
   */
  #hasWindows(id) {
    return this.#known(id)?.generation > 0;
  }

  #known(id) {
    return this.#libraries.find(({ name }) => idOf(name) === id);
  }

  #choose({ from, to }) {
    Object.assign(session, { from, to });
    rewrite("search", this.#params());
    this.#begin({}, { sameQuery: true });
  }

  #showAll() {
    this.#showQuery();
    this.#results.clear();
    for (const match of session.matches) this.#results.add(match, lengthAsked());
    if (session.status === "running") this.#head.replaceChildren(h("h2", {}, t("searching")));
    else this.#ended({ quietly: true });
  }

  #ended({ quietly = false } = {}) {
    const { status, matches, error } = session;
    this.#results.list.setAttribute("aria-busy", "false");
    this.#head.replaceChildren();
    this.#below.replaceChildren();
    if (status === "failed") this.#below.replaceChildren(failureBox(error, () => search()));
    if (status !== "done") return;
    if (!session.from && !session.to) this.#box.whole = lengthAsked();
    this.#head.replaceChildren(
      ...summaryOf(session, (channel) => search({ channel })),
      ...(matches.length ? [exportsOf(matches)] : []),
    );
    const note = modelNote(this.#known(session.library) ?? {});
    if (note && matches.length) this.#below.append(note);
    if (!matches.length) this.#below.replaceChildren(nothingFound(session));
    if (!quietly) {
      announce(
        matches.length
          ? t("foundAloud", {
            count: matches.length,
            name: matches[0].clip.displayName,
            score: score(matches[0].score),
            at: aloud(matches[0]),
          })
          : t("nothing"),
      );
    }
  }

  #keys() {
    const step = (by) => () => this.#results.move(by);
    const onCurrent = (run) => () => (this.#results.current ? run(this.#results.current) : false);
    return {
      j: step(1),
      ArrowDown: step(1),
      k: step(-1),
      ArrowUp: step(-1),
      " ": onCurrent(({ sound }) => sound ? sound.toggle() : false),
      b: onCurrent(({ sound }) => sound ? this.#both(sound) : false),
      q: () => this.#box.sound?.toggle(),
      ArrowLeft: onCurrent(({ sound }) => sound ? sound.seek(-1) : false),
      ArrowRight: onCurrent(({ sound }) => sound ? sound.seek(1) : false),
      Enter: onCurrent(({ again }) => {
        location.hash = again;
      }),
    };
  }

  async #both(sound) {
    if (await this.#box.sound?.playThrough()) await sound.playThrough();
  }
}

const lengthAsked = () => seconds(session.summary?.queryAudio?.duration);

/** The best place in a long recording, in words. */
function aloud(match) {
  const [best] = stretchesOf(match);
  return best?.asPart ? span(best.from, best.to) : undefined;
}

const idOfQuery = () => (session.query?.clip ? idOf(session.query.clip.name) : null);

/** The id of the sound that is searched with, if it is kept in this library. */
function sharedQuery() {
  const { shared } = session.query ?? {};
  return shared?.library === session.library ? shared?.id : undefined;
}

/** `until` is the time that the sound is kept to, if it isn't a clip. */
async function copyLink(until) {
  try {
    await navigator.clipboard.writeText(location.href);
    toast(until ? t("copiedUntil", { time: moment(until) }) : t("copied"));
  } catch {
    // Only pages by https or of this machine may write there.
    toast(t("copyYourself"));
  }
}
