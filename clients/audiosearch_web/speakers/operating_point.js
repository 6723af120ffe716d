/** The operating point: a threshold moved along what was measured, and kept. */

import { decidedOn } from "./calibration_facts.js";
import { ratesChart } from "./calibration_chart.js";
import { h } from "../core/dom.js";
import { number, percent } from "../core/format.js";
import { words } from "../core/i18n.js";
import { likelihood } from "./likelihood.js";
import { strings } from "../strings/calibration.js";

const t = words(strings);
const ALMOST_ONE = 1 - 1e-12;

export class OperatingPoint {
  #scores;
  #rates;
  #chart;
  #at;
  #saved;
  #said = h("p", { class: "point-said", role: "status" });
  #slider;
  #save = h("button", { type: "submit", class: "button primary" }, t("savePoint"));
  #back = h(
    "button",
    { type: "button", class: "button", onclick: () => this.#move(this.#saved) },
    t("backToSaved"),
  );

  /** `onsave(operatingPoint)` hears of the one to keep, in the words of the contract. */
  constructor(calibration, onsave) {
    this.#scores = decidedOn(calibration);
    const saved = Number(this.#scores.threshold?.logLikelihoodRatio ?? 0);
    this.#rates = worthwhile(ratesOf(this.#scores), saved);
    this.#saved = nearest(this.#rates, saved);
    this.#chart = ratesChart(this.#rates, saved);
    this.#slider = h("input", {
      type: "range",
      min: String(this.#rates[0].ratio),
      max: String(this.#rates.at(-1).ratio),
      step: "any",
      "aria-label": t("slider"),
      oninput: () => this.#show(nearest(this.#rates, Number(this.#slider.value))),
      onkeydown: (event) => this.#step(event),
    });
    this.node = h(
      "form",
      {
        class: "operating-point",
        novalidate: true, // the slider rounds its ends: the last threshold would be out of range
        "aria-label": t("pick"),
        onsubmit: (event) => (event.preventDefault(), onsave(this.#chosen())),
      },
      h("h3", {}, t("pick")),
      h("p", { class: "quiet" }, t("pickMore")),
      this.#chart.node,
      this.#slider,
      this.#said,
      h("div", { class: "ways" }, this.#save, this.#back),
    );
    this.#move(this.#saved);
  }

  /** Keys go from one measured threshold to the next, however close they are. */
  #step(event) {
    const last = this.#rates.length - 1;
    const by = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -10,
      PageUp: 10,
    };
    const ends = { Home: -last, End: last };
    const step = by[event.key] ?? ends[event.key];
    if (!step) return;
    event.preventDefault();
    this.#move(Math.min(Math.max(this.#at + step, 0), last));
  }

  #move(place) {
    this.#slider.value = this.#rates[place].ratio;
    this.#show(place);
  }

  #show(place) {
    this.#at = place;
    const { ratio, miss, falseAlarm } = this.#rates[place];
    this.#chart.mark(place);
    this.#slider.setAttribute(
      "aria-valuetext",
      t("pointAloud", {
        value: number(ratio, 2),
        miss: percent(miss),
        falseAlarm: percent(falseAlarm),
      }),
    );
    this.#said.replaceChildren(
      h("span", {}, t("pointSaid", { likelihood: likelihood(ratio), value: number(ratio, 2) })),
      rateSaid("miss", this.#rates[place]),
      rateSaid("falseAlarm", this.#rates[place]),
    );
    this.#save.disabled = place === this.#saved;
    this.#back.disabled = place === this.#saved;
  }

  /**
   * The most false alarms where so few were measurable; else the costs that lead to the threshold:
   * with equal ones ln((1 - p_target) / p_target).
   */
  #chosen() {
    const { ratio, falseAlarm } = this.#rates[this.#at];
    const measured = falseAlarm * Number(this.#scores.nontargetTrialCount ?? 0) > 0.5;
    // A little more than the share itself, which is not always exact in binary.
    if (measured && falseAlarm < 1) {
      return { maxFalseAlarmRate: Math.min(falseAlarm * (1 + 1e-9), ALMOST_ONE) };
    }
    const pTarget = 1 / (1 + Math.exp(ratio));
    return { costs: { pTarget: Math.min(pTarget, ALMOST_ONE) } };
  }
}

const rateSaid = (kind, rates) =>
  h(
    "span",
    { class: `rate rate-${kind}` },
    t(`${kind}Said`, { rate: percent(rates[kind]) }),
    h(
      "span",
      { class: "quiet" },
      " ",
      t("between", { low: percent(rates[`${kind}Low`]), high: percent(rates[`${kind}High`]) }),
    ),
  );

const rateOf = (each) => ({
  ratio: Number(each.logLikelihoodRatio ?? 0),
  miss: Number(each.missRate ?? 0),
  missLow: Number(each.missRateLow ?? 0),
  missHigh: Number(each.missRateHigh ?? 0),
  falseAlarm: Number(each.falseAlarmRate ?? 0),
  falseAlarmLow: Number(each.falseAlarmRateLow ?? 0),
  falseAlarmHigh: Number(each.falseAlarmRateHigh ?? 0),
});

/** The measured rates, and those of the threshold in use, by rising threshold. */
function ratesOf({ rates = [], threshold = {} }) {
  const measured = rates.map(rateOf);
  const used = rateOf(threshold);
  if (!measured.some(({ ratio }) => ratio === used.ratio)) measured.push(used);
  return measured
    .filter(({ ratio }) => Number.isFinite(ratio))
    .sort((one, other) => one.ratio - other.ratio);
}

/** Without the thresholds that most other voices reach, too, unless one of them is in use. */
function worthwhile(rates, saved) {
  const useful = rates.findIndex(({ falseAlarm }) => falseAlarm < 0.5);
  return rates.slice(Math.max(Math.min(useful - 1, nearest(rates, saved)), 0));
}

/** The place of the first threshold that is not lower. */
function nearest(rates, ratio) {
  const place = rates.findIndex((each) => each.ratio >= ratio);
  return place < 0 ? rates.length - 1 : place;
}
