/** The purpose of a library: voices, or sounds. It follows from the library's model. */

import { api } from "../core/api.js";
import { h, icon } from "../core/dom.js";
import { idOf } from "../core/format.js";
import { words } from "../core/i18n.js";
import { purposes } from "../strings/purposes.js";
import { holdsVectors } from "./vectors.js";

const t = words(purposes);

export const VOICES = "PURPOSE_VOICES";
export const SOUNDS = "PURPOSE_SOUNDS";
const ALL = [VOICES, SOUNDS];

/** True where it makes sense to ask who speaks: not of sounds, nor of vectors made elsewhere. */
export const holdsVoices = (library) => !holdsVectors(library) && library?.purpose !== SOUNDS;

/** The model of a library, and what it is good and not good for; null for vectors. */
export function modelNote({ purpose, model }) {
  if (!ALL.includes(purpose)) return null;
  return h("p", { class: "quiet model-note" }, t(`model_${purpose}`, { model: shortModel(model) }));
}

/** The model's name without its fingerprint: `panns_small-32k`. */
const shortModel = (model) => idOf(model ?? "").replace(/-[0-9a-f]{12}-p\d+$/, "");

const PATIENCE_MS = 2000;

/** The running models, by purpose; empty while the embedding service doesn't tell. */
async function runningModels() {
  try {
    const { models = [] } = await api.models(AbortSignal.timeout(PATIENCE_MS));
    return new Map(models.map((model) => [model.purpose, model.name]).reverse());
  } catch {
    return new Map();
  }
}

/** True if a model of this purpose is known to run. */
export const runsPurpose = async (purpose) => (await runningModels()).has(purpose);

/** The purpose in one word, with a mark; null for vectors, of which it is not known. */
export function purposeChip({ purpose }) {
  if (!ALL.includes(purpose)) return null;
  return h(
    "span",
    { class: "chip voice purpose", title: t(`choice_${purpose}`) },
    icon(purpose === VOICES ? "speakers" : "wave"),
    t(purpose),
  );
}

/** A range of scores: from `least`, 0 or -1, to 1. */
export const range = (least) => t("range", { least: least < 0 ? "−1" : "0" });

/** The range of scores in a library. Models for sounds give vectors without negative numbers. */
export const rangeOf = ({ purpose }) => range(purpose === SOUNDS ? 0 : -1);

/**
 * A choice of purpose: `{node, value}`. `wanted` is chosen if a model of it runs, otherwise what
 * does run. With none known, either may be chosen: the server answers whether it can.
 */
export async function purposeChoice(wanted) {
  const running = await runningModels();
  const runs = (purpose) => !running.size || running.has(purpose);
  const chosen = [wanted, ...ALL].find(runs);
  const inputs = ALL.map((value) =>
    h("input", {
      type: "radio",
      name: "purpose",
      value,
      checked: value === chosen,
      disabled: !runs(value),
    })
  );
  const lacking = ALL.filter((purpose) => !runs(purpose));
  return {
    node: h(
      "fieldset",
      { class: "purposes" },
      h("legend", { class: "field-label" }, t("what")),
      inputs.flatMap(({ value }, place) => [
        h("label", { class: "check" }, inputs[place], h("span", {}, t(`choice_${value}`))),
        running.has(value) && modelNote({ purpose: value, model: running.get(value) }),
      ]),
      h(
        "p",
        { class: "field-note" },
        lacking.length ? lacking.map((purpose) => t(`lacking_${purpose}`)).join(" ") : t("note"),
      ),
    ),
    get value() {
      return inputs.find(({ checked }) => checked)?.value;
    },
  };
}
