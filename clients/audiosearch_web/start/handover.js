/** Sounds that one page was given and the next one works with. */

let query = null;
const files = new Map();

/** Keeps a source of sources.js, for the page that searches next. */
export function keepQuery(source) {
  query = source;
}

/** The source that was kept, once; null without one. */
export function takeQuery() {
  const kept = query;
  query = null;
  return kept;
}

/** Keeps files `{name, path, file()}` that are to be imported into a library, by its id. */
export function keepFiles(library, given) {
  files.set(library, given);
}

/** The files that were kept for a library, once; empty without any. */
export function takeFiles(library) {
  const kept = files.get(library) ?? [];
  files.delete(library);
  return kept;
}
