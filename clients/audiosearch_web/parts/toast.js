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
const ends = new Map();

/**
 * Shows `message`; `action` is `{label, run}`. Errors stay until they are closed. `ongone()` hears
 * that the note went without the action.
 */
export function toast(message, { kind = "note", action, ongone } = {}) {
  const place = document.getElementById("toasts");
  const act = action &&
    h(
      "button",
      {
        class: "link",
        type: "button",
        onclick: () => (ends.delete(node), node.remove(), action.run()),
      },
      action.label,
    );
  const node = h(
    "div",
    { class: `toast toast-${kind}` },
    h("span", {}, message),
    act,
    iconButton("close", t("close"), () => end(node)),
  );
  while (place.children.length >= MOST) end(place.firstChild);
  if (ongone) ends.set(node, ongone);
  place.append(node);
  if (kind !== "error") fade(node);
}

function end(node) {
  node.remove();
  const ongone = ends.get(node);
  ends.delete(node);
  ongone?.();
}

function fade(node) {
  setTimeout(() => (node.matches(":hover, :focus-within") ? fade(node) : end(node)), SHOWN_MS);
}

/** Says something to screen readers alone. */
export function announce(message) {
  const place = document.getElementById("announcer");
  place.textContent = "";
  requestAnimationFrame(() => {
    place.textContent = message;
  });
}
