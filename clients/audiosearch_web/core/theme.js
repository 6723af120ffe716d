/** Light or dark: as the system has it until somebody chooses. */

const KEY = "audiosearch.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

/** True if the page is dark now. */
export const isDark = () => {
  const kept = localStorage.getItem(KEY);
  return kept ? kept === "dark" : system.matches;
};

/** Switches to the other one, and keeps the choice in this browser. */
export function switchTheme() {
  const next = isDark() ? "light" : "dark";
  localStorage.setItem(KEY, next);
  document.documentElement.dataset.theme = next;
  tell();
}

/** Calls `listener` after every change; answers with a function that ends it. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener();
}

system.addEventListener("change", tell);

/** A colour of the style sheet as a canvas takes it: `color("--accent")`. */
export function color(name) {
  const probe = document.getElementById("announcer");
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.style.color = "";
  return found;
}

/** True if somebody asked for less movement. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
