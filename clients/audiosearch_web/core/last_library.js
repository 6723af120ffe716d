/** The library that was worked with last, kept in this browser. */

const KEY = "audiosearch.library";

export const lastLibrary = () => localStorage.getItem(KEY) ?? undefined;

export function keepLibrary(id) {
  if (id) localStorage.setItem(KEY, id);
  else localStorage.removeItem(KEY);
}
