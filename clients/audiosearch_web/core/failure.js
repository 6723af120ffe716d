/** Failures in words: what happened, what to do, and the server's own sentence. */

import { ApiError } from "./api.js";
import { h } from "./dom.js";
import { language, words } from "./i18n.js";
import { failures } from "../strings/failures.js";

const t = words(failures);

/** An error in one sentence. */
export function said(error) {
  if (!(error instanceof ApiError)) return `${t("unexpected")} ${error?.message ?? error}`;
  return inWords(error.reason, error.message);
}

/** The same for a reason and the server's message, as failed clips and files have them. */
export function inWords(reason, message) {
  const known = failures.en[reason] ? t(reason) : "";
  if (!known) return message || t("unexpected");
  // The server speaks English, and of the case itself: there its sentence is the better one.
  return language === "en" && message ? capital(message) : known;
}

/** Sentences of the server begin small; names of resources and fields stay as they are. */
const capital = (text) =>
  /^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;

/** Reasons that trying again would meet again. */
const LASTING = /^(AUDIO_|BODY_|FIELD_|PATH_|MIC_|SPEAKER|MODEL_MISMATCH|RIGHT_MISSING)/;

/** An alert with what happened and what to do; `retry` is offered where it may help. */
export function failureBox(error, retry) {
  const known = error instanceof ApiError;
  const todo = known && failures.en[error.reason] ? t(error.reason) : "";
  const detail = known ? capital(error.message) : String(error?.message ?? error);
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("p", { class: "failure-title" }, todo || t("unexpected")),
    detail && h("p", { class: "failure-detail" }, detail, known && h("code", {}, error.reason)),
    retry &&
      !LASTING.test(error.reason) &&
      h("button", { class: "button", type: "button", onclick: retry }, t("again")),
  );
}
