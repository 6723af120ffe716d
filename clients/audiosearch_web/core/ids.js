/** The id of a resource beside the name that people give it. */

import { h } from "./dom.js";

const PATTERN = "[A-Za-z0-9_\\-]+";

/** An id like a name: what it may not hold is left out. */
const latin = (text) =>
  text
    .trim()
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^[-_]+|-+$/g, "")
    .slice(0, 63);

/** The numbers of a name's characters, for one in Chinese, of which nothing would be left. */
const numbered = (text) =>
  [...text.replace(/[^\p{L}\p{N}]/gu, "")]
    .map((character) => `u${character.codePointAt(0).toString(16)}`)
    .join("-")
    .slice(0, 63)
    .replace(/-+$/, "");

const asId = (text) => latin(text) || numbered(text);

/** Inputs `{name, id}`: the id follows the name until somebody types one. */
export function nameAndId() {
  const name = h("input", { maxLength: 255, required: true, autocomplete: "off" });
  const id = h("input", {
    required: true,
    maxLength: 63,
    pattern: PATTERN,
    autocomplete: "off",
    spellcheck: false,
  });
  let own = false;
  name.addEventListener("input", () => own || (id.value = asId(name.value)));
  id.addEventListener("input", () => (own = id.value !== ""));
  return { name, id };
}
