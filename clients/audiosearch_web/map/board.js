/** The map itself with all that belongs to it: canvas, legend, list, what is heard and found. */

import { afterPause, h, iconButton } from "../core/dom.js";
import { said } from "../core/failure.js";
import { idOf, number } from "../core/format.js";
import { words } from "../core/i18n.js";
import { MapCanvas } from "./canvas.js";
import { Preview } from "./preview.js";
import { kindsOf } from "./kinds.js";
import { MapLegend } from "./legend.js";
import { MapList } from "./list.js";
import { MapPointer } from "./pointer.js";
import { MapPoints } from "./points.js";
import { MapView } from "./view.js";
import { go } from "../core/router.js";
import { strings } from "../strings/map.js";
import { onTheme } from "../core/theme.js";
import { announce, toast } from "../parts/toast.js";

const t = words(strings);
const LISTED = 8;
const SILENT = "audiosearch.map.silent";
const SIDES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
/** The last look at each map, so that coming back from a search shows the same. */
const looks = new Map();

export class MapBoard {
  #library;
  #silent;
  #look;
  #points = new MapPoints();
  #kinds = { entries: [], of: [] };
  #chosen = -1;
  #rested = -1;
  #found = 0;
  #state;
  #canvas;
  #pointer;
  #legend;
  #list = new MapList({
    choose: (row) => this.#choose(row),
    hear: (row) => this.#hear(row),
    search: (row) => this.#search(row),
  });
  #preview = new Preview({
    onplay: () => this.#listSoon(),
    onblocked: () => toast(t("blocked")),
    onfail: (error) => toast(said(error), { kind: "error" }),
  });
  #note = h("p", { class: "quiet", role: "status" });
  #progress = h("progress", { max: 1, hidden: true, "aria-label": t("rough") });
  #tip = h("div", { class: "map-tip", hidden: true });
  #ring = h("div", { class: "map-ring", hidden: true });
  #find = h("input", {
    type: "search",
    placeholder: t("find"),
    "aria-label": t("find"),
    oninput: () => this.#filterSoon(),
  });
  #forgetTheme = onTheme(() => this.#canvas.restyle());

  /** Of the library with an id; a `silent` one has nothing to hear. */
  constructor(library, { silent = false } = {}) {
    this.#library = library;
    this.#silent = silent;
    this.#look = looks.get(library) ?? { view: new MapView(), column: "labels" };
    looks.set(library, this.#look);
    this.#canvas = new MapCanvas(this.#look.view, () => this.#place());
    this.#legend = new MapLegend({
      column: this.#look.column,
      oncolumn: (column) => this.#colour(column),
      onfilter: () => this.#filter(),
    });
    this.#pointer = new MapPointer(this.#canvas.node, this.#look.view, () => this.#points, {
      move: () => this.#moved(),
      rest: (row, event) => this.#rest(row, event),
      pick: (row, event) => this.#pick(row, event),
    });
    this.node = this.#layout();
  }

  leave() {
    this.#preview.leave();
    this.#canvas.leave();
    this.#forgetTheme();
  }

  /** Takes what the server says of the map, and its points where they have changed. */
  update(map, points) {
    const before = this.#state;
    this.#state = map.state;
    this.#tell(map);
    if (before && before !== map.state && map.state === "STATE_READY") announce(t("newMap"));
    if (!points) return;
    const [old, chosen] = [this.#points, this.#points.clips[this.#chosen]];
    this.#points = points;
    this.#chosen = points.rows.get(chosen ?? this.#look.chosen) ?? -1;
    this.#kinds = kindsOf(points, this.#column());
    this.#legend.show(this.#kinds.entries);
    this.#canvas.node.setAttribute("aria-label", t("canvas", { count: number(points.count) }));
    this.#rested = -1;
    this.#tip.hidden = true;
    this.#canvas.show(points, this.#kinds.of, old.count ? old : undefined);
    this.#filter();
  }

  /** The column that colours: the speakers where there are no labels. */
  #column() {
    const { column } = this.#look;
    const other = column === "labels" ? "speakers" : "labels";
    return this.#points[column].some(Boolean) || !this.#points[other].some(Boolean) ||
        this.#look.asked
      ? column
      : other;
  }

  #layout() {
    const { view } = this.#look;
    const zoom = (factor) => () => (view.zoomAt(factor), this.#moved());
    const buttons = h(
      "div",
      { class: "map-buttons" },
      iconButton("plus", t("zoomIn"), zoom(1.6)),
      iconButton("minus", t("zoomOut"), zoom(1 / 1.6)),
      iconButton("fit", t("fit"), () => this.#fit()),
    );
    const canvas = this.#canvas.node;
    for (
      const [name, value] of Object.entries({
        tabindex: "0",
        role: "application",
        "aria-label": t("title"),
        "aria-describedby": "map-help",
      })
    ) canvas.setAttribute(name, value);
    canvas.addEventListener("keydown", (event) => this.#key(event));
    const silent = h("input", {
      type: "checkbox",
      checked: !localStorage.getItem(SILENT),
      onchange: (event) => this.#switchSound(event.target.checked),
    });
    return h(
      "div",
      { class: "map-board" },
      h(
        "div",
        { class: "map-head" },
        this.#find,
        !this.#silent && h("label", { class: "check map-hover" }, silent, t("hover")),
      ),
      h(
        "div",
        { class: "map-main" },
        h("div", { class: "map-stage" }, canvas, this.#ring, this.#tip, buttons),
        h("div", { class: "map-foot" }, this.#note, this.#progress),
        h(
          "p",
          { class: "quiet map-help", id: "map-help" },
          t(this.#silent ? "canvasHelpSilent" : "canvasHelp"),
        ),
      ),
      h("div", { class: "map-side" }, this.#legend.node, this.#list.node),
    );
  }

  #tell(map) {
    const count = number(map.sampledCount ?? 0);
    const sampled = Number(map.clipCount) > (map.sampledCount ?? 0);
    const size = sampled
      ? t("sampled", { count, all: number(map.clipCount) })
      : t("clips", { count });
    const work =
      { STATE_PENDING: "pending", STATE_ROUGH: "rough", STATE_STALE: "stale" }[map.state];
    const more = map.failure ? t("failed") : work ? t(work) : t("what");
    const told = map.state === "STATE_PENDING" ? more : t("both", { size, more });
    if (this.#note.textContent !== told) this.#note.textContent = told;
    this.#progress.hidden = !work || Boolean(map.failure);
    this.#progress.value = map.progress ?? 0;
  }

  #colour(column) {
    Object.assign(this.#look, { column, asked: true });
    this.#kinds = kindsOf(this.#points, column);
    this.#legend.show(this.#kinds.entries);
    this.#filter();
  }

  #filterSoon = afterPause(120, () => this.#filter());

  #filter() {
    const { of } = this.#kinds;
    const { names, labels, speakers } = this.#points;
    const text = this.#find.value.trim().toLowerCase();
    const has = (row) =>
      [names[row], labels[row], speakers[row]].some((value) => value.toLowerCase().includes(text));
    this.#found = this.#points.show((row) => this.#legend.shows(of[row]) && (!text || has(row)));
    if (this.#chosen >= 0 && !this.#points.visible[this.#chosen]) this.#chosen = -1;
    this.#canvas.restyle(of);
    this.#showList();
  }

  #moved() {
    this.#canvas.draw();
    this.#listSoon();
  }

  #fit() {
    this.#look.view.fit();
    this.#moved();
  }

  #listSoon = afterPause(150, () => this.node.isConnected && this.#showList());

  /** Lists what is closest to the chosen point; else what is found; else what is in the middle. */
  #showList() {
    const [points, chosen] = [this.#points, this.#chosen];
    const { view } = this.#look;
    const searching = this.#find.value.trim() !== "";
    const near = chosen >= 0 ? points.at(chosen) : [view.x, view.y];
    const rows = points.nearest(...near, LISTED, { except: chosen });
    let title = t("nearMiddle");
    if (searching) title = t("found", { count: number(this.#found) });
    if (chosen >= 0) title = t("nearChosen", { name: points.names[chosen] });
    this.#list.show({
      title,
      rows: chosen >= 0 ? [chosen, ...rows] : rows,
      points,
      of: this.#kinds.of,
      chosen,
      playing: this.#preview.playing,
      silent: this.#silent,
    });
  }

  #choose(row, { hear = false } = {}) {
    this.#chosen = row;
    this.#look.chosen = this.#points.clips[row];
    this.#look.view.reveal(...this.#points.at(row));
    this.#canvas.draw();
    this.#showList();
    announce(this.#about(row));
    if (hear && !this.#silent) this.#preview.play(this.#points.clips[row]);
  }

  #about(row) {
    const { names, labels, speakers, lengths } = this.#points;
    return [names[row], labels[row], speakers[row], lengths[row]].filter(Boolean).join(
      ", ",
    );
  }

  #hear(row) {
    const clip = this.#points.clips[row];
    if (this.#preview.playing === clip) this.#preview.stop();
    else this.#preview.play(clip);
  }

  #search(row) {
    this.#look.chosen = this.#points.clips[row];
    go("search", { library: this.#library, clip: idOf(this.#points.clips[row]) });
  }

  #rest(row, event) {
    if (row === this.#rested) return;
    this.#rested = row;
    const touched = event.pointerType !== "mouse";
    this.#showTip(row, touched ? "tapSearches" : "clickSearches");
    this.#canvas.node.style.cursor = row >= 0 ? "pointer" : "";
    if (this.#silent || localStorage.getItem(SILENT) || touched) return;
    if (row >= 0) this.#preview.soon(this.#points.clips[row]);
    else this.#preview.stop();
  }

  #showTip(row, does) {
    this.#tip.hidden = row < 0;
    if (row < 0) return;
    const { names, labels, speakers, lengths } = this.#points;
    const more = [labels[row], speakers[row], lengths[row]].filter(Boolean).join(" · ");
    this.#tip.replaceChildren(
      h("strong", {}, names[row]),
      h("span", {}, more),
      h("span", { class: "quiet" }, t(does)),
    );
    this.#place();
  }

  /** A mouse's click searches; a finger's first tap chooses and plays, and the second searches. */
  #pick(row, event) {
    if (row < 0) {
      this.#chosen = -1;
      this.#look.chosen = undefined;
      this.#rest(-1, event);
      this.#showList();
      this.#canvas.draw();
    } else if (event.pointerType === "mouse" || row === this.#chosen) {
      this.#search(row);
    } else {
      this.#choose(row, { hear: true });
      this.#rest(row, event);
    }
  }

  #key(event) {
    const { view } = this.#look;
    const side = SIDES[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const start = () => this.#points.nearest(view.x, view.y, 1)[0] ?? -1;
    const acts = {
      "+": () => (view.zoomAt(1.6), this.#moved()),
      "=": () => (view.zoomAt(1.6), this.#moved()),
      "-": () => (view.zoomAt(1 / 1.6), this.#moved()),
      0: () => this.#fit(),
      " ": () => this.#chosen >= 0 && !this.#silent && this.#hear(this.#chosen),
      Enter: () => this.#chosen >= 0 && this.#search(this.#chosen),
      Escape: () => this.#pick(-1, event),
    };
    if (side) {
      const next = this.#chosen >= 0 ? this.#points.beside(this.#chosen, side) : start();
      if (next >= 0) this.#choose(next);
    } else if (acts[event.key]) {
      acts[event.key]();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Puts ring and note where their points are now. */
  #place() {
    const { view } = this.#look;
    this.#ring.hidden = this.#chosen < 0;
    if (this.#chosen >= 0) {
      const [x, y] = view.toPixels(...this.#points.at(this.#chosen));
      this.#ring.style.transform = `translate(${x}px, ${y}px)`;
    }
    if (this.#tip.hidden || this.#rested < 0) return;
    const [x, y] = view.toPixels(...this.#points.at(this.#rested));
    const { offsetWidth: wide, offsetHeight: high } = this.#tip;
    const left = Math.min(Math.max(x - wide / 2, 8), Math.max(view.width - wide - 8, 8));
    const top = y - high - 14 > 8 ? y - high - 14 : y + 18;
    this.#tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  #switchSound(on) {
    if (on) localStorage.removeItem(SILENT);
    else localStorage.setItem(SILENT, "true");
    if (!on) this.#preview.stop();
  }
}
