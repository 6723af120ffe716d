/**
 * A library of example sounds, which come with the page: those of deploy/example_sounds.py but for
 * the voices, in Opus.
 */

import { api, requestId } from "../core/api.js";
import { words } from "../core/i18n.js";
import { keepLibrary } from "../core/last_library.js";
import { runsPurpose, SOUNDS } from "../parts/purpose.js";
import { withRetries } from "../core/retry.js";
import { fileSource } from "../parts/sources.js";
import { start } from "../strings/start.js";

const t = words(start);
const LIBRARY = "examples";
const KINDS = [
  ["bronze_bell", 3],
  ["crackling_fire", 2],
  ["knife_on_wood", 3],
  ["knife_sharpening", 3],
  ["sword_clash", 3],
  ["sword_swing", 3],
];
const QUERY = "another_bell";
const AT_ONCE = 4;

/**
 * Makes the library, and fills it; `ontold({done, total})` hears how far it is. Done again, it goes
 * on: a sound that is there is not stored twice. Answers with the library's id.
 */
export async function fillExamples(ontold) {
  const todo = KINDS.flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, place) => ({ name: `${kind}_${place + 1}`, kind }))
  );
  const total = todo.length;
  let done = 0;
  await made();
  const work = async () => {
    for (let next = todo.shift(); next; next = todo.shift()) {
      await store(next);
      done += 1;
      ontold({ done, total });
    }
  };
  ontold({ done, total });
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  keepLibrary(LIBRARY);
  return LIBRARY;
}

async function made() {
  const sounds = await runsPurpose(SOUNDS);
  try {
    await api.createLibrary(LIBRARY, {
      displayName: t("library"),
      purpose: sounds ? SOUNDS : undefined,
    });
  } catch (error) {
    if (error.reason !== "LIBRARY_EXISTS") throw error;
  }
}

async function store({ name, kind }) {
  const file = await api.example(name);
  const about = { displayName: `${name}.ogg`, label: kind.replaceAll("_", " ") };
  const id = requestId();
  await withRetries(
    () => api.upload(`libraries/${LIBRARY}`, file, { ...about, requestId: id }),
    () => {},
  );
}

/** A sound to search the examples with, which is none of them. */
export const exampleQuery = async () => fileSource(await api.example(QUERY), t("another"));
