/** The calibration of a library: measured or not, how good it is, and the point of decision. */

import { api } from "../core/api.js";
import { calibrationFacts } from "./calibration_facts.js";
import { open } from "../parts/dialog.js";
import { field, h, icon } from "../core/dom.js";
import { failureBox } from "../core/failure.js";
import { words } from "../core/i18n.js";
import { OperatingPoint } from "./operating_point.js";
import { strings } from "../strings/calibration.js";
import { announce, toast } from "../parts/toast.js";

const t = words(strings);
const NORMALIZATIONS = ["UNSPECIFIED", "NONE", "AS_NORM"];

export class CalibrationCard {
  #library;
  #calibration = null;
  #ending = new AbortController();
  #body = h("div", { class: "calibration-body" });
  #problem = h("div", { class: "slot" });
  #title = h("h2", { id: "calibration", tabindex: "-1" }, t("title"));
  #count = h("input", { type: "number", min: "1", max: "100", inputmode: "numeric" });
  #normalization = h(
    "select",
    {},
    NORMALIZATIONS.map((value) => h("option", { value }, t(value))),
  );

  /** Of the library of that name, `libraries/x`. */
  constructor(library) {
    this.#library = library;
    this.node = h(
      "section",
      { class: "card calibration", "aria-labelledby": "calibration" },
      this.#title,
      this.#body,
      this.#problem,
    );
  }

  leave() {
    this.#ending.abort();
  }

  async load() {
    this.#problem.replaceChildren();
    try {
      this.#calibration = await api.calibration(this.#library, this.#ending.signal);
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      if (error.reason !== "CALIBRATION_NOT_FOUND") {
        this.#problem.replaceChildren(failureBox(error, () => this.load()));
        return;
      }
      this.#calibration = null;
    }
    this.#draw();
  }

  /** Brings it into sight, and the focus with it. */
  goTo() {
    this.node.scrollIntoView({ block: "start" });
    this.#title.focus({ preventScroll: true });
  }

  #draw() {
    if (this.#calibration) this.#body.replaceChildren(...this.#fitted(this.#calibration));
    else {
      this.#body.replaceChildren(
        h("p", {}, h("strong", {}, t("none"))),
        h("p", { class: "quiet" }, t("noneMore")),
        h("div", { class: "ways" }, this.#fitButton("primary", t("fit"))),
        this.#options(),
      );
    }
  }

  #fitted(calibration) {
    const point = new OperatingPoint(calibration, (chosen) => this.#save(chosen));
    return [
      calibrationFacts(calibration),
      point.node,
      h(
        "div",
        { class: "ways" },
        this.#fitButton("", t("again")),
        h(
          "button",
          { type: "button", class: "button danger", onclick: () => this.#remove() },
          icon("trash"),
          t("remove"),
        ),
      ),
      this.#options(),
    ];
  }

  #options() {
    return h(
      "details",
      { class: "calibration-options" },
      h("summary", {}, t("options")),
      h(
        "div",
        { class: "import-labels" },
        field(t("enrollmentClips"), this.#count, t("enrollmentClipsNote")),
        field(t("normalization"), this.#normalization, t("normalizationNote")),
      ),
    );
  }

  #fitButton(kind, label) {
    const button = h(
      "button",
      { type: "button", class: `button ${kind}`, onclick: () => this.#fit(button) },
      icon("status"),
      label,
    );
    return button;
  }

  /** Fits it, at the operating point that is chosen. */
  async #fit(button) {
    const { operatingPoint } = this.#calibration ?? {};
    button.disabled = true;
    button.lastChild.textContent = t("fitting");
    this.#problem.replaceChildren();
    try {
      this.#calibration = await api.calibrate(this.#library, {
        operatingPoint,
        normalization: `NORMALIZATION_${this.#normalization.value}`,
        enrollmentClipCount: Number(this.#count.value) || undefined,
      });
      announce(t("fittedAloud"));
    } catch (error) {
      this.#problem.replaceChildren(failureBox(error, () => this.#fit(button)));
    }
    const focused = button === document.activeElement || document.activeElement === document.body;
    this.#draw();
    if (focused) this.#title.focus({ preventScroll: true });
  }

  async #save(operatingPoint) {
    this.#problem.replaceChildren();
    try {
      this.#calibration = await api.updateCalibration(this.#library, { operatingPoint });
      this.#draw();
      this.#title.focus({ preventScroll: true });
      toast(t("saved"));
    } catch (error) {
      this.#problem.replaceChildren(failureBox(error));
    }
  }

  async #remove() {
    const done = await open({
      title: t("removeTitle"),
      body: h("p", {}, t("removeWhat")),
      confirm: t("remove"),
      danger: true,
      failed: failureBox,
      work: () => api.deleteCalibration(this.#library),
    });
    if (!done) return;
    this.#calibration = null;
    this.#draw();
    this.#title.focus({ preventScroll: true });
    toast(t("removed"));
  }
}
