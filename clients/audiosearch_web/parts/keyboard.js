/** Keys of the keyboard: single letters work while nobody types, and can be turned off. */

import { open } from "./dialog.js";
import { h } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { shell } from "../strings/shell.js";

const OFF = "audiosearch.shortcuts.off";
const t = words(shell);
const always = new Map();
let bound = new Map();

/**
 * Binds keys for a page, `{j: next}`; answers with a function that ends it. A handler that answers
 * false passes.
 */
export function bind(keys) {
  const mine = new Map(Object.entries(keys));
  bound = mine;
  return () => {
    if (bound === mine) bound = new Map();
  };
}

export const bindAlways = (key, run) => always.set(key, run);

const types = (node) =>
  node.isContentEditable ||
  /^(SELECT|TEXTAREA)$/.test(node.tagName) ||
  (node.tagName === "INPUT" && !/^(button|checkbox|radio|submit|file)$/.test(node.type));

/** Elements with a meaning of their own for the blank and for Enter. */
const acts = (node) => /^(A|BUTTON|SUMMARY|INPUT|SELECT|TEXTAREA)$/.test(node.tagName);

function onKey(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (localStorage.getItem(OFF) || types(target) || document.querySelector("dialog[open]")) return;
  if ((key === " " || key === "Enter") && acts(target)) return;
  const run = bound.get(key) ?? always.get(key);
  if (run && run(event) !== false) event.preventDefault();
}

document.addEventListener("keydown", onKey);

const KEYS = [
  [["j", "↓"], "keyNext"],
  [["k", "↑"], "keyPrevious"],
  [["Space"], "keyPlay"],
  [["b"], "keyBoth"],
  [["q"], "keyQuery"],
  [["←", "→"], "keySeek"],
  [["Enter"], "keyAgain"],
  [["?"], "keyHelp"],
];

/** Shows what the keys do. */
export function showKeys() {
  const rows = KEYS.map(([keys, what]) =>
    h(
      "tr",
      {},
      h(
        "td",
        {},
        keys.map((key) => h("kbd", {}, key === "Space" ? t("space") : key)),
      ),
      h("td", {}, t(what)),
    )
  );
  const on = h("input", {
    type: "checkbox",
    checked: !localStorage.getItem(OFF),
    onchange: toggle,
  });
  const table = h(
    "table",
    { class: "keys" },
    h(
      "thead",
      { class: "unseen" },
      h("tr", {}, h("th", {}, t("keyColumn")), h("th", {}, t("keyDoes"))),
    ),
    h("tbody", {}, rows),
  );
  open({ title: t("keys"), body: [table, h("label", { class: "check" }, on, t("keysOn"))] });
}

function toggle(event) {
  if (event.target.checked) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "true");
}
