/** The API key, kept for this tab alone, and asked for where the gateway wants one. */

import { field, h, icon } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { open } from "./dialog.js";
import { shell } from "../strings/shell.js";

const KEY = "audiosearch.key";
const t = words(shell);
let asking = null;

export const key = () => sessionStorage.getItem(KEY) ?? "";

/**
 * Asks for a key, once for all who wait, for a reason or because somebody has another one; true
 * when there is one to try.
 */
export function askKey(reason) {
  asking ??= prompt(reason).finally(() => {
    asking = null;
  });
  return asking;
}

async function prompt(reason) {
  if (reason === "KEY_INVALID") sessionStorage.removeItem(KEY);
  const why = { KEY_INVALID: "keyInvalid", KEY_MISSING: "keyMissing" }[reason] ?? "keyOther";
  const input = h("input", {
    type: "password",
    required: true,
    autocomplete: "off",
    spellcheck: false,
    "aria-describedby": "key-note",
  });
  const body = [
    h("p", { id: "key-note" }, t(why)),
    field(t("key"), input),
    h("p", { class: "quiet" }, t("keyKept")),
  ];
  const given = await open({
    title: [icon("key"), t("keyTitle")],
    body,
    confirm: t("keyUse"),
    focus: input,
  });
  if (given) sessionStorage.setItem(KEY, input.value.trim());
  return given;
}
