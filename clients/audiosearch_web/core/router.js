/**
 * Pages by the part of the address behind the #: `#/search?library=x&clip=y`, `#/library/x`.
 *
 * A page is a module with a function `show(root, params)`. It fills `root` and answers, at once or
 * by a promise, with a function that leaves the page. `params` are those of the address, with the
 * second part of the path as `library`. If that function has a method `update(params)`, it is
 * called instead of leaving when the address changes within the page.
 */

import { h } from "./dom.js";
import { failureBox } from "./failure.js";

let pages = {};
let turn = 0;
let shown = { page: null, leave: null };
const listeners = new Set();

/** The page and its parameters in an address. */
export function read(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [page, library] = path.split("/").map(decoded);
  const params = Object.fromEntries(new URLSearchParams(query));
  if (library) params.library = library;
  return { page: Object.hasOwn(pages, page) ? page : "search", params };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody typed a % of their own
  }
}

/** The address of a page: `library` stands in the path but for the search. */
export function address(page, { library, ...rest } = {}) {
  const query = page === "search" ? { library, ...rest } : rest;
  const set = Object.entries(query).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  const path = library && page !== "search"
    ? `#/${page}/${encodeURIComponent(library)}`
    : `#/${page}`;
  return set.length ? `${path}?${new URLSearchParams(set)}` : path;
}

/** Goes to a page. */
export function go(page, params) {
  location.hash = address(page, params);
}

/** Changes the address alone: the page knows already. */
export function rewrite(page, params) {
  history.replaceState(null, "", address(page, params));
  tell();
}

/** Calls `listener(page, params)` when another address is shown. */
export function onRoute(listener) {
  listeners.add(listener);
}

function tell() {
  const { page, params } = read(location.hash);
  for (const listener of listeners) listener(page, params);
}

/** Shows what the address says; `again` shows the page anew, in another language. */
export async function route({ again = false, focus = true } = {}) {
  const { page, params } = read(location.hash);
  tell();
  if (!again && page === shown.page && shown.leave?.update) {
    shown.leave.update(params);
    return;
  }
  const mine = (turn += 1);
  shown.leave?.();
  shown = { page, leave: null };
  const main = document.getElementById("main");
  const root = h("div", { class: `page page-${page}` });
  const leave = await enter(page, root, params, () => {
    if (mine !== turn) return;
    main.replaceChildren(root);
    scrollTo(0, 0);
    if (focus) heading(root).focus({ preventScroll: true });
  });
  if (mine === turn) shown.leave = leave;
  else leave?.();
}

async function enter(page, root, params, place) {
  try {
    const showing = pages[page].show(root, params);
    if (root.querySelector("h1")) place();
    const leave = await showing;
    if (!root.isConnected) place();
    return leave;
  } catch (error) {
    root.replaceChildren(
      root.querySelector("h1") ?? h("h1", {}, "Audiosearch"),
      failureBox(error, () => route({ again: true })),
    );
    place();
    return null;
  }
}

function heading(root) {
  const found = root.querySelector("h1") ?? root;
  found.tabIndex = -1;
  return found;
}

/** Shows pages from now on: modules by the first part of their address. */
export function start(modules) {
  pages = modules;
  window.addEventListener("hashchange", () => {
    // The link past the navigation changes the address too.
    if (location.hash.startsWith("#/") || !location.hash) route();
  });
  route({ focus: false });
}
