/** The language of the page, and what it says in it. */

const KEY = "audiosearch.language";
const listeners = new Set();

export const LANGUAGES = { en: "English", zh: "中文" };

export let language = start();

function start() {
  const kept = localStorage.getItem(KEY);
  const asked = kept ? [kept] : navigator.languages;
  for (const tag of asked) {
    const short = tag.slice(0, 2).toLowerCase();
    if (short in LANGUAGES) return short;
  }
  return "en";
}

/** The language as it stands in `lang`. */
export const tag = () => (language === "zh" ? "zh-CN" : "en");

/** Switches, and keeps the choice in this browser. */
export function setLanguage(next) {
  language = next;
  localStorage.setItem(KEY, next);
  document.documentElement.lang = tag();
  for (const listener of listeners) listener();
}

/** Calls `listener` after every switch; answers with a function that ends it. */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * A function from key to words, for `{en: {key: words}, zh: {...}}`. Words are text, or a function
 * of the values that stand in them. It follows the language.
 */
export function words(strings) {
  return (key, values = {}) => {
    const said = strings[language][key] ?? strings.en[key];
    if (said === undefined) throw new Error(`no words for ${key}`);
    return typeof said === "function" ? said(values) : said;
  };
}
