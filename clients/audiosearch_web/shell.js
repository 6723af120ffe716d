/** The frame of every page: navigation, language, theme, connection, keys of the keyboard. */

import { checkConnection } from "./core/api.js";
import { onConnection, tryNow } from "./core/connection.js";
import { h, icon, iconButton } from "./core/dom.js";
import { isDeleting } from "./clips/deletions.js";
import { enrolling } from "./speakers/enrollment.js";
import { language, LANGUAGES, onLanguage, setLanguage, tag, words } from "./core/i18n.js";
import { onImports, running } from "./library/imports.js";
import { lastLibrary } from "./core/last_library.js";
import { askKey, key } from "./parts/key.js";
import { bindAlways, showKeys } from "./parts/keyboard.js";
import { address, onRoute, route } from "./core/router.js";
import { shell } from "./strings/shell.js";
import { isDark, onTheme, switchTheme } from "./core/theme.js";
import { announce, toast } from "./parts/toast.js";

const CHECK_MS = 15000;
const PAGES = ["search", "library", "speakers", "map", "status"];
const t = words(shell);
let here = { page: "search", params: {} };

export function startShell() {
  document.documentElement.lang = tag();
  onLanguage(draw);
  onTheme(draw);
  onImports(drawImports);
  onRoute((page, params) => {
    here = { page, params };
    draw();
  });
  onConnection(showConnection);
  setInterval(() => document.visibilityState === "visible" && checkConnection(), CHECK_MS);
  window.addEventListener("beforeunload", stay);
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, keepPage);
  document.getElementById("skip").addEventListener("click", skip);
  bindAlways("?", showKeys);
}

/** Uploads, enrollments and deletes end with the page; imports of the server do not. */
function stay(event) {
  const uploads = running().some(({ state }) => state.kind === "upload");
  if (uploads || enrolling() || isDeleting()) event.preventDefault();
}

/** A file that is dropped where nobody takes it is not opened in place of the page. */
function keepPage(event) {
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function draw() {
  document.title = `${t(here.page)} – Audiosearch`;
  document.getElementById("skip").textContent = t("skip");
  const focused = document.activeElement?.id;
  document
    .getElementById("top")
    .replaceChildren(brand(), navigation(), h("div", { class: "tools" }, importsLink(), tools()));
  if (focused) document.getElementById(focused)?.focus();
}

function brand() {
  return h(
    "a",
    { class: "brand", href: "#/search", "aria-label": "Audiosearch" },
    icon("wave"),
    h("span", {}, "Audiosearch"),
  );
}

function navigation() {
  const links = PAGES.map((page) =>
    h(
      "li",
      {},
      h(
        "a",
        {
          href: page === "status" ? "#/status" : address(page, { library: library() }),
          id: `nav-${page}`,
          "aria-current": page === here.page ? "page" : undefined,
        },
        icon(page),
        h("span", {}, t(page)),
      ),
    )
  );
  return h("nav", { class: "nav", "aria-label": t("navigation") }, h("ul", {}, links));
}

const library = () => here.params.library ?? lastLibrary();

function tools() {
  const next = language === "en" ? "zh" : "en";
  const dark = isDark();
  return [
    h(
      "button",
      {
        type: "button",
        class: "icon-button text",
        id: "language",
        lang: next,
        "aria-label": t("language"),
        title: t("language"),
        onclick: () => setLanguage(next),
      },
      LANGUAGES[next],
    ),
    key() && iconButton("key", t("keyChange"), changeKey, { id: "key" }),
    iconButton(dark ? "light" : "dark", t(dark ? "themeLight" : "themeDark"), switchTheme, {
      id: "theme",
    }),
    iconButton("keyboard", t("keys"), showKeys, { id: "keys" }),
  ];
}

async function changeKey() {
  if (await askKey()) route({ again: true });
}

function importsLink() {
  return h("span", { id: "imports" }, importsWords());
}

function importsWords() {
  const [first] = running();
  if (!first) return "";
  const { done, total, library: id } = first.state;
  return h(
    "a",
    { class: "pill", href: address("library", { library: id }) },
    t("importing", { done, total }),
  );
}

function drawImports() {
  document.getElementById("imports")?.replaceChildren(importsWords());
}

function showConnection(away) {
  const place = document.getElementById("banner");
  place.replaceChildren();
  if (away) {
    place.append(
      h(
        "div",
        { class: "banner" },
        h("p", {}, h("strong", {}, t("away")), " ", t("awayMore")),
        h("button", { type: "button", class: "button", onclick: tryNow }, t("tryNow")),
      ),
    );
  } else {
    toast(t("back"));
    announce(t("back"));
  }
}
