/**
 * Short notes in a corner, read out by screen readers; they wait while the pointer or the focus is
 * on them.
 */

import { h, iconButton } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { shell } from "../strings/shell.js";

const SHOWN_MS = 6000;
const MOST = 4;
const t = words(shell);

/**
 * Shows `message`; `action` is `{label, run}`. Errors stay until they are closed.
 */
export function toast(message, { kind = "note", action } = {}) {
  const place = document.getElementById("toasts");
  const act = action &&
    h(
      "button",
      {
        class: "link",
        type: "button",
        onclick: () => (node.remove(), action.run()),
      },
      action.label,
    );
  const node = h(
    "div",
    { class: `toast toast-${kind}` },
    h("span", {}, message),
    act,
    iconButton("close", t("close"), () => node.remove()),
  );
  while (place.children.length >= MOST) place.firstChild.remove();
  place.append(node);
  if (kind !== "error") fade(node);
}

function fade(node) {
  setTimeout(() => (node.matches(":hover, :focus-within") ? fade(node) : node.remove()), SHOWN_MS);
}

/** Says something to screen readers alone. */
export function announce(message) {
  const place = document.getElementById("announcer");
  place.textContent = "";
  requestAnimationFrame(() => {
    place.textContent = message;
  });
}
