/** Miss and false-alarm rate over the threshold: measured, with their intervals. */

import { h } from "../core/dom.js";
import { number, percent } from "../core/format.js";
import { words } from "../core/i18n.js";
import { strings } from "../strings/calibration.js";

const t = words(strings);
const SVG = "http://www.w3.org/2000/svg";
const [WIDE, HIGH] = [640, 200];
const KINDS = ["miss", "falseAlarm"];
const LOWEST = 1e-4;

/**
 * `{node, mark(place)}`: `mark` moves the threshold to one of the rates; `saved` is the
 * log-likelihood ratio that decides now.
 */
export function ratesChart(rates, saved) {
  const scale = scaleOf(rates);
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDE} ${HIGH}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": t("chart", { from: number(scale.from, 1), to: number(scale.to, 1) }),
  });
  for (const share of scale.lines) picture.append(across(scale.y(share)));
  for (const kind of KINDS) picture.append(band(rates, kind, scale), curve(rates, kind, scale));
  if (saved >= scale.from && saved <= scale.to) {
    picture.append(upright(scale.x(saved), "rates-saved"));
  }
  const now = upright(0, "rates-now");
  picture.append(now);
  const dots = Object.fromEntries(
    KINDS.map((kind) => [kind, h("span", { class: `rates-dot rates-dot-${kind}` })]),
  );
  const node = h(
    "figure",
    { class: "rates-chart" },
    h(
      "div",
      { class: "rates-scale quiet", "aria-hidden": "true" },
      scale.lines.map((share) => labelAt(share, scale)),
    ),
    h("div", { class: "rates-picture" }, picture, Object.values(dots)),
    h(
      "div",
      { class: "rates-ends quiet", "aria-hidden": "true" },
      h("span", {}, number(scale.from, 1)),
      h("span", {}, t("axis")),
      h("span", {}, number(scale.to, 1)),
    ),
    h("figcaption", { class: "rates-key" }, keys()),
  );
  const mark = (place) => {
    const x = scale.x(rates[place].ratio);
    for (const end of ["x1", "x2"]) now.setAttribute(end, x);
    for (const kind of KINDS) {
      dots[kind].style.left = `${(100 * x) / WIDE}%`;
      dots[kind].style.top = `${(100 * scale.y(rates[place][kind])) / HIGH}%`;
    }
  };
  return { node, mark };
}

/** Thresholds from left to right; rates by powers of ten, and none at all at the foot. */
function scaleOf(rates) {
  const from = rates[0].ratio;
  const to = rates.at(-1).ratio;
  const positive = rates
    .flatMap((each) => KINDS.map((kind) => each[kind]))
    .filter((rate) => rate > 0);
  const least = Math.max(Math.min(...positive, 0.1), LOWEST);
  const powers = Math.max(Math.ceil(-Math.log10(least) - 1e-9), 1);
  const step = HIGH / (powers + 1);
  return {
    from,
    to,
    lines: [...Array.from({ length: powers + 1 }, (_, power) => 10 ** -power), 0],
    x: (ratio) => (WIDE * (ratio - from)) / (to - from || 1),
    y: (rate) => (rate > 0 ? Math.min(-Math.log10(rate) * step, HIGH - 0.1 * step) : HIGH),
  };
}

function labelAt(share, scale) {
  const node = h("span", {}, percent(share));
  node.style.top = `${(100 * scale.y(share)) / HIGH}%`;
  return node;
}

const pointsOf = (rates, field, scale) =>
  rates.map((each) => `${scale.x(each.ratio).toFixed(2)},${scale.y(each[field]).toFixed(2)}`);

const curve = (rates, kind, scale) =>
  svg("polyline", { points: pointsOf(rates, kind, scale).join(" "), class: `rates-${kind}` });

function band(rates, kind, scale) {
  const low = pointsOf(rates, `${kind}Low`, scale);
  const high = pointsOf(rates, `${kind}High`, scale);
  const points = [...low, ...high.reverse()].join(" ");
  return svg("polygon", { points, class: `rates-band rates-band-${kind}` });
}

function across(y) {
  const inside = Math.min(Math.max(y, 0.5), HIGH - 0.5);
  return svg("line", { x1: 0, x2: WIDE, y1: inside, y2: inside, class: "rates-line" });
}

const upright = (x, name) => svg("line", { x1: x, x2: x, y1: 0, y2: HIGH, class: name });

const keys = () =>
  [...KINDS, "saved", "interval"].map((name) =>
    h("span", {}, h("i", { class: `rates-key-${name}` }), t(`${name}Key`))
  );

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
