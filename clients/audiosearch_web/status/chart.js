/** The last searches as bars: how long each took, and where. */

import { h } from "../core/dom.js";
import { idOf, number, seconds, took } from "../core/format.js";
import { tag, words } from "../core/i18n.js";
import { strings } from "../strings/status.js";

const t = words(strings);
const SVG = "http://www.w3.org/2000/svg";
const [WIDE, HIGH, MOST] = [640, 160, 50];
const STEPS = ["embedding", "index", "catalog", "rest"];

/** Seconds of a search by step; `rest` is what the gateway itself took. */
function steps(search) {
  const found = Object.fromEntries(
    STEPS.slice(0, 3).map((step) => [step, seconds(search[`${step}Duration`]) ?? 0]),
  );
  const whole = seconds(search.totalDuration) ?? 0;
  return {
    ...found,
    rest: Math.max(0, whole - found.embedding - found.index - found.catalog),
    whole,
  };
}

export function chart(searches) {
  const times = searches.map(steps).reverse();
  const slowest = Math.max(...times.map(({ whole }) => whole));
  const top = ceiling(slowest);
  const label = t("chart", { count: times.length, slowest: took(slowest) });
  const lines = [0, 0.5, 1].map((share) => h("span", {}, took(top * share))).reverse();
  return h(
    "figure",
    { class: "latency-chart" },
    h("div", { class: "latency-scale quiet", "aria-hidden": "true" }, lines),
    bars(times, top, label),
    h(
      "figcaption",
      { class: "latency-key" },
      STEPS.map((step) => h("span", {}, h("i", { class: `step-${step}` }), t(`${step}Step`))),
    ),
  );
}

function bars(times, top, label) {
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDE} ${HIGH}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": label,
  });
  for (const share of [0, 0.5, 1]) {
    const y = Math.min(Math.max(HIGH * share, 0.5), HIGH - 0.5);
    picture.append(svg("line", { x1: 0, x2: WIDE, y1: y, y2: y, class: "latency-line" }));
  }
  const step = WIDE / MOST;
  const first = WIDE - times.length * step;
  times.forEach((time, place) => {
    let y = HIGH;
    for (const name of STEPS) {
      const height = (HIGH * time[name]) / top;
      y -= height;
      picture.append(
        svg("rect", {
          x: first + place * step + 1.5,
          y,
          width: step - 3,
          height,
          class: `step-${name}`,
        }),
      );
    }
  });
  return picture;
}

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

/** The next round time above: 1, 2 or 5 times a power of ten, in seconds. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.001)));
  return power * [1, 2, 5, 10].find((times) => times * power >= value);
}

/** The same as a table. */
export function table(searches) {
  const ms = (value) => `${number(value * 1000, 1)} ms`;
  const time = new Intl.DateTimeFormat(tag(), { timeStyle: "medium" });
  const head = [
    "when",
    "library",
    "query",
    "matches",
    "whole",
    "embeddingStep",
    "indexStep",
    "catalogStep",
  ];
  const row = (search) => {
    const { whole, embedding, index, catalog } = steps(search);
    const cells = [
      time.format(new Date(search.endTime)),
      idOf(search.library),
      t(search.byClip ? "byClip" : "bySound"),
      number(search.matchCount ?? 0),
      ms(whole),
      ms(embedding),
      ms(index),
      ms(catalog),
    ];
    return h("tr", {}, cells.map((cell) => h("td", {}, cell)));
  };
  return h(
    "div",
    { class: "latency-table", tabindex: "0", role: "region", "aria-label": t("table") },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, head.map((key) => h("th", { scope: "col" }, t(key))))),
      h("tbody", {}, searches.map(row)),
    ),
  );
}
