/** The quality of a calibration, and what it was measured from. */

import { h } from "../core/dom.js";
import { moment, number, percent } from "../core/format.js";
import { words } from "../core/i18n.js";
import { likelihood } from "./likelihood.js";
import { strings } from "../strings/calibration.js";

const t = words(strings);

/** The scores that are decided on. */
export const decidedOn = ({ normalization, normalized, cosine }) =>
  normalization === "NORMALIZATION_AS_NORM" ? normalized : cosine;

export function calibrationFacts(calibration) {
  const { equalErrorRate, minDcf, cllr, threshold, ...scores } = decidedOn(calibration);
  const between = (low, high) => t("between", { low: percent(low), high: percent(high) });
  return h(
    "div",
    { class: "calibration-facts" },
    h(
      "dl",
      { class: "figures" },
      figure(
        t("missRate"),
        percent(threshold.missRate),
        between(threshold.missRateLow, threshold.missRateHigh),
      ),
      figure(
        t("falseAlarmRate"),
        percent(threshold.falseAlarmRate),
        between(threshold.falseAlarmRateLow, threshold.falseAlarmRateHigh),
      ),
      figure(t("eer"), percent(equalErrorRate), t("eerMore")),
    ),
    h(
      "dl",
      { class: "facts" },
      [
        [t("threshold"), thresholdOf(threshold)],
        [t("point"), pointOf(calibration.operatingPoint)],
        [t("scores"), t(calibration.normalization)],
        [t("speakers"), number(calibration.speakerCount ?? 0)],
        [t("clips"), number(calibration.clipCount ?? 0)],
        [t("enrollmentClips"), number(calibration.enrollmentClipCount ?? 0)],
        [t("trials"), t("trialsOf", trialsOf(scores))],
        ["minDCF", number(minDcf ?? 0, 3)],
        ["Cllr", t("bits", { value: number(cllr ?? 0, 3) })],
        [t("made"), moment(calibration.createTime)],
      ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
  );
}

const figure = (name, value, more) =>
  h(
    "div",
    { class: "figure" },
    h("dt", {}, name),
    h("dd", {}, value, h("span", { class: "quiet" }, " ", more)),
  );

const trialsOf = ({ targetTrialCount, nontargetTrialCount }) => ({
  target: number(targetTrialCount ?? 0),
  nontarget: number(nontargetTrialCount ?? 0),
});

const thresholdOf = ({ logLikelihoodRatio: ratio = 0 }) =>
  t("thresholdIs", { likelihood: likelihood(ratio), value: number(ratio, 2) });

/** The point where decisions are made, as it was asked for. */
function pointOf({ maxFalseAlarmRate, costs = {} } = {}) {
  if (maxFalseAlarmRate) return t("atMostFalseAlarms", { rate: percent(maxFalseAlarmRate) });
  const { pTarget = 0.01, costMiss = 1, costFalseAlarm = 1 } = costs;
  return t("byCosts", {
    pTarget: percent(pTarget),
    ratio: number(costFalseAlarm / costMiss, costFalseAlarm === costMiss ? 0 : 2),
  });
}
