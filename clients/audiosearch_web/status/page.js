/** The page Status: which services are there, what they stand on, and how long searches take. */

import { api } from "../core/api.js";
import { h } from "../core/dom.js";
import { failureBox, inWords } from "../core/failure.js";
import { idOf, length, moment, number, seconds, size, timeLeft, took } from "../core/format.js";
import { tag, words } from "../core/i18n.js";
import { chart, table } from "./chart.js";
import { purposeChip, range } from "../parts/purpose.js";
import { strings } from "../strings/status.js";
import { announce } from "../parts/toast.js";

const t = words(strings);
const EVERY_MS = 5000;

export async function show(root) {
  const ending = new AbortController();
  const place = h("div", { class: "status-place" });
  const summary = h("p", { class: "status-summary" });
  root.append(
    h("div", { class: "row-between" }, h("h1", { tabindex: "-1" }, t("title")), summary),
    place,
  );
  const latency = new Latency();
  let before;

  async function look() {
    try {
      const status = await api.status(ending.signal);
      const well = wellness(status);
      draw(place, summary, status, latency, well);
      if (before && before !== well) announce(t(well));
      before = well;
    } catch (error) {
      if (!ending.signal.aborted) place.replaceChildren(failureBox(error, look));
    }
  }

  const timer = setInterval(() => document.visibilityState === "visible" && look(), EVERY_MS);
  await look();
  return () => {
    clearInterval(timer);
    ending.abort();
  };
}

function wellness({ services }) {
  if (services.some(({ state }) => state === "STATE_NOT_SERVING")) return "unwell";
  return services.every(({ state }) => state === "STATE_SERVING") ? "well" : "unknown";
}

function draw(place, summary, status, latency, well) {
  const clock = new Date(status.readTime).toLocaleTimeString(tag());
  summary.replaceChildren(
    h("span", { class: `chip ${{ well: "good", unwell: "bad", unknown: "warn" }[well]}` }, t(well)),
    h("span", { class: "quiet" }, t("updated", { time: clock })),
  );
  latency.update(status);
  const parts = [
    services(status),
    filling(status),
    audio(status),
    latency.node,
    models(status),
    about(status),
  ];
  // A part that stays in its place keeps the focus and what was opened.
  if (place.contains(latency.node)) {
    for (const [at, part] of parts.entries()) {
      if (part !== latency.node) place.children[at].replaceWith(part);
    }
  } else {
    place.replaceChildren(...parts);
  }
}

function services({ services: all, readTime }) {
  const row = ({ service, state, sinceTime, reason, message, store }) =>
    h(
      "li",
      { class: "service" },
      h("span", { class: `service-state ${state}`, "aria-hidden": "true" }),
      h(
        "div",
        { class: "service-name" },
        h("h3", {}, t(service)),
        h("p", { class: "quiet" }, t(`${service}What`)),
      ),
      h(
        "div",
        { class: "service-facts" },
        h(
          "p",
          {},
          h("strong", {}, t(state)),
          sinceTime &&
            h(
              "span",
              { class: "quiet" },
              " ",
              t("since", { time: timeLeft((new Date(readTime) - new Date(sinceTime)) / 1000) }),
            ),
        ),
        store && h("p", { class: "quiet" }, `${t("store")} `, h("strong", {}, store)),
        reason &&
          h("p", { class: "service-why" }, inWords(reason, message), " ", h("code", {}, reason)),
      ),
    );
  return h(
    "section",
    { class: "card", "aria-labelledby": "services" },
    h("h2", { id: "services" }, t("services")),
    h("ul", { class: "services" }, all.map(row)),
  );
}

/** Libraries whose indexes lack vectors; hidden while there are none. */
function filling({ incomplete = [] }) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "filling", hidden: !incomplete.length },
    h("h2", { id: "filling" }, t("filling")),
    h("p", { class: "quiet" }, t("fillingMore")),
    factsList(
      incomplete.map(({ library, indexedCount, expectedCount }) => [
        idOf(library),
        t("vectorsOf", {
          there: number(Number(indexedCount ?? 0)),
          all: number(Number(expectedCount ?? 0)),
        }),
      ]),
    ),
  );
}

/** The condition of the stored sounds; empty while the catalog is away. */
function audio({ audio: told }) {
  if (!told) return h("div", { hidden: true });
  const [damaged, missing] = [told.damagedCount, told.missingCount].map((it) => Number(it ?? 0));
  const bad = damaged + missing > 0;
  const since = told.hashedSinceTime;
  return h(
    "section",
    { class: "card", "aria-labelledby": "audio" },
    h("h2", { id: "audio" }, t("audio")),
    bad
      ? h("p", {}, h("span", { class: "chip bad" }, t("audioBad", { damaged, missing })))
      : h("p", {}, t("audioWell")),
    bad && h("p", {}, t("audioWhat")),
    bad && told.clips?.length > 0 &&
      h("p", { class: "quiet" }, t("audioSome", { clips: told.clips.join(", ") })),
    h(
      "p",
      { class: "quiet" },
      since ? t("audioHashed", { time: moment(since) }) : t("audioNotHashed"),
    ),
  );
}

/** Searches: it stays in place, so that an opened table stays open. */
class Latency {
  #figures = h("dl", { class: "figures" });
  #chart = h("div", {});
  #table = h("div", {});
  #more = h("details", {}, h("summary", {}, t("table")), this.#table);
  #none = h("p", { class: "quiet" }, t("none"));
  #shown;
  node = h(
    "section",
    { class: "card", "aria-labelledby": "latency" },
    h("h2", { id: "latency" }, t("latency")),
    h("p", { class: "quiet" }, t("latencyWhat")),
    this.#none,
    this.#figures,
    this.#chart,
    this.#more,
  );

  update({ searches, latency }) {
    const newest = searches[0]?.endTime;
    this.#none.hidden = Boolean(searches.length);
    for (const node of [this.#figures, this.#chart, this.#more]) node.hidden = !searches.length;
    if (!searches.length || newest === this.#shown) return;
    this.#shown = newest;
    this.#figures.replaceChildren(
      ...figure(t("p50"), took(seconds(latency.p50Duration))),
      ...figure(t("p99"), took(seconds(latency.p99Duration))),
      ...figure(t("count"), number(latency.searchCount)),
    );
    this.#chart.replaceChildren(chart(searches));
    this.#table.replaceChildren(table(searches));
  }
}

function figure(name, value) {
  return [h("div", { class: "figure" }, h("dt", {}, name), h("dd", {}, value))];
}

/** The running models, the default one first. */
function models({ models: all }) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "models" },
    h("h2", { id: "models" }, t("models")),
    all.length
      ? h("ul", { class: "models" }, all.map(model))
      : h("p", { class: "quiet" }, t("noModel")),
  );
}

function model(one) {
  const facts = [
    [t("features"), one.features],
    [t("precision"), one.precision],
    [t("memory"), Number(one.memoryBytes ?? 0) > 0 && size(one.memoryBytes)],
    [t("dimension"), number(one.dimension)],
    [t("scores"), range(Number(one.minScore ?? 0))],
    [t("tags"), one.tagCount && number(one.tagCount)],
    [t("parameters"), number(one.parameterCount)],
    [t("sampleRate"), `${number(one.sampleRate)} Hz`],
    [
      t("lengths"),
      t("lengthsFromTo", { from: length(one.minAudioSeconds), to: length(one.maxAudioSeconds) }),
    ],
    [t("source"), t(one.source)],
  ];
  return h(
    "li",
    {},
    h(
      "h3",
      { class: "model-name" },
      one.displayName,
      " ",
      h("code", {}, one.name),
      " ",
      purposeChip(one),
    ),
    h("p", { class: "quiet" }, one.description),
    factsList(facts),
  );
}

function about({ version, startTime, readTime }) {
  const running = timeLeft((new Date(readTime) - new Date(startTime)) / 1000);
  return h(
    "section",
    { class: "card", "aria-labelledby": "about" },
    h("h2", { id: "about" }, t("about")),
    h("p", {}, h("a", { href: "/docs" }, t("api"))),
    factsList([[t("version"), version], [t("uptime"), `${running} (${moment(startTime)})`]]),
  );
}

const factsList = (facts) =>
  h(
    "dl",
    { class: "facts" },
    facts.filter(([, value]) => value).map(([name, value]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, value))
    ),
  );
