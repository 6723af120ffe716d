/** Questions in the browser's own dialog: it keeps the focus within and gives it back. */

import { h } from "../core/dom.js";
import { words } from "../core/i18n.js";
import { shell } from "../strings/shell.js";

const t = words(shell);
let count = 0;

/**
 * Asks; true when confirmed.
 *
 * `title` and `body` are nodes or text; without `confirm` there is only a button to close it.
 * `danger` marks what can't be undone, `focus` is the element to begin at, and `work` runs when it
 * is confirmed: while it does, the dialog stays; when it throws, what it threw is shown by
 * `failed`.
 */
export function open({ title, body, confirm, danger = false, focus, work, failed }) {
  return new Promise((resolve) => {
    const id = `dialog-${(count += 1)}`;
    const problem = h("div", { class: "slot" });
    const go = confirm &&
      h("button", { class: danger ? "button danger" : "button primary", type: "submit" }, confirm);
    const stay = h(
      "button",
      { class: "button", type: "button", onclick: () => box.close() },
      t(confirm ? "cancel" : "close"),
    );
    const form = h(
      "form",
      { class: "dialog-form", onsubmit: submit },
      h("h2", { id, class: "dialog-title" }, title),
      h("div", { class: "dialog-body" }, body),
      problem,
      h("div", { class: "dialog-buttons" }, stay, go),
    );
    const box = h("dialog", { class: "dialog", "aria-labelledby": id, onclose: close }, form);
    let confirmed = false;

    async function submit(event) {
      event.preventDefault();
      go.disabled = true;
      problem.replaceChildren();
      try {
        await work?.();
        confirmed = true;
        box.close();
      } catch (error) {
        problem.replaceChildren(failed(error));
      } finally {
        go.disabled = false;
      }
    }

    function close() {
      box.remove();
      resolve(confirmed);
    }

    document.body.append(box);
    box.showModal();
    (focus ?? stay).focus();
  });
}
