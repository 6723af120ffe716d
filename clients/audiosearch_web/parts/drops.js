/** Files that are dropped or chosen, whole folders too. */

import { h, icon } from "../core/dom.js";

/** The dropped entries; they must be asked for at once, before the event is over. */
export function entriesOf(transfer) {
  return [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile())
    .filter(Boolean);
}

/** Yields `{name, path, file()}` of every file below entries, folder by folder. */
export async function* filesBelow(entries, path = "") {
  for (const entry of entries) {
    if (entry instanceof File) yield chosen(entry);
    else if (entry.isFile) {
      yield {
        name: entry.name,
        path: path + entry.name,
        file: () => new Promise((resolve, reject) => entry.file(resolve, reject)),
      };
    } else yield* filesBelow(await children(entry), `${path}${entry.name}/`);
  }
}

/** A file of an input; one of a chosen folder knows its path. */
export const chosen = (file) => ({
  name: file.name,
  path: file.webkitRelativePath || file.name,
  file: () => Promise.resolve(file),
});

async function children(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found.sort((one, other) => one.name.localeCompare(other.name));
    found.push(...some);
  }
}

/**
 * Takes files dropped anywhere on the page; `label` is shown meanwhile. Answers with a function
 * that ends it.
 */
export const takeDrops = (label, ondrop) => takeDropsInParts([{ label, ondrop }]);

/** The same by the part of the page that is met: `{label, ondrop, mark}` from left to right. */
export function takeDropsInParts(parts) {
  const nodes = parts.map(({ label, mark = "upload" }) =>
    h("div", {}, icon(mark), h("p", {}, label))
  );
  const cover = h("div", { class: "drop-cover", hidden: true }, nodes);
  const ending = new AbortController();
  const listen = (kind, run) => window.addEventListener(kind, run, { signal: ending.signal });
  const show = (event, on) => {
    if (!event.dataTransfer?.types.includes("Files")) return false;
    event.preventDefault();
    cover.hidden = !on || Boolean(document.querySelector("dialog[open]"));
    const over = nearest(nodes, event);
    nodes.forEach((node, place) => node.classList.toggle("over", place === over));
    return !cover.hidden && over;
  };
  listen("dragenter", (event) => show(event, true));
  listen("dragover", (event) => show(event, true));
  listen("dragleave", (event) => event.relatedTarget === null && show(event, false));
  listen("drop", (event) => {
    const over = show(event, true);
    cover.hidden = true;
    if (over !== false) parts[over].ondrop(entriesOf(event.dataTransfer));
  });
  document.body.append(cover);
  return () => {
    ending.abort();
    cover.remove();
  };
}

/** The place of the node whose middle is nearest to the pointer. */
function nearest(nodes, { clientX, clientY }) {
  const away = nodes.map((node) => {
    const { left, top, width, height } = node.getBoundingClientRect();
    return Math.hypot(left + width / 2 - clientX, top + height / 2 - clientY);
  });
  return away.indexOf(Math.min(...away));
}
