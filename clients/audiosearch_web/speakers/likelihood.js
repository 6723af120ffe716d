/** Scores, thresholds and rates in words. */

import { h } from "../core/dom.js";
import { number, percent, score } from "../core/format.js";
import { words } from "../core/i18n.js";
import { address } from "../core/router.js";
import { strings } from "../strings/speakers.js";

const t = words(strings);
const EVEN = 1.15;
const MOST_TOLD = 1e6;

/** A number of times: two digits of it, such as 1,200; "more than a million" is enough. */
function times(ratio) {
  const value = Math.exp(Math.abs(ratio));
  if (value >= MOST_TOLD) return t("overMillion");
  if (value < 10) return number(value, 1);
  const digits = 10 ** (Math.floor(Math.log10(value)) - 1);
  return number(Math.round(value / digits) * digits);
}

/** A log-likelihood ratio, such as "1,000 times likelier than a stranger". */
export function likelihood(ratio) {
  if (Math.exp(Math.abs(ratio)) < EVEN) return t("evenly");
  return t(ratio > 0 ? "likelier" : "unlikelier", { times: times(ratio) });
}

/** A score as measured: the cosine and, with a calibration, its meaning in words. */
export const scoreInWords = ({ cosine, logLikelihoodRatio: ratio }) =>
  ratio === undefined
    ? t("cosineIs", { score: score(cosine) })
    : t("ratioAndCosine", { likelihood: likelihood(ratio), score: score(cosine) });

/**
 * The threshold that a score had to reach, and how often a decision by it is wrong; `strangers` is
 * said as well.
 */
export function thresholdNote({ threshold, shortSpeech }, library, strangers) {
  const short = shortSpeech && h("p", { class: "warn" }, t("shortSpeech"));
  if (threshold.basis === "BASIS_DEFAULT") {
    return h(
      "div",
      { class: "basis" },
      short,
      h("p", {}, t("byDefault", { value: score(threshold.value) })),
      h(
        "p",
        {},
        h("a", { href: address("speakers", { library, part: "calibration" }) }, t("toCalibration")),
      ),
    );
  }
  const normalized = threshold.basis === "BASIS_CALIBRATED_AS_NORM";
  return h(
    "div",
    { class: "basis" },
    short,
    h(
      "p",
      {},
      t(normalized ? "byNormalized" : "byCosine", {
        likelihood: likelihood(threshold.value ?? 0),
        value: number(threshold.value ?? 0, 2),
      }),
    ),
    h(
      "p",
      {},
      t("expected", {
        miss: percent(threshold.expectedMissRate),
        falseAlarm: percent(threshold.expectedFalseAlarmRate),
      }),
    ),
    strangers && h("p", {}, strangers),
    threshold.note && h("p", { lang: "en" }, threshold.note),
  );
}
