/** The search that is shown: it outlives the page, so that coming back finds it as it was. */

import { api } from "../core/api.js";
import { clipFilter, filtersOf } from "./filters.js";

export const DEFAULT_K = 10;

/**
 * `query` is a source of sources.js, `{words}`, or null, `file` the last one that is no stored
 * clip: its address does not say which it was. `channel` is the one of `query` that is heard, 0 for
 * all; `from` and `to` are the stretch of it that is searched with, in seconds, 0 for start and
 * end; the filters of filters.js stand beside them. `status` is idle, running, done or failed.
 */
export const session = {
  library: undefined,
  query: null,
  file: null,
  k: DEFAULT_K,
  minScore: 0,
  from: 0,
  to: 0,
  channel: 0,
  ...filtersOf({}),
  matches: [],
  summary: null,
  status: "idle",
  error: null,
  times: null,
};

const listeners = new Set();
let running = null;

/**
 * Calls `listener(event, match)` with `begin`, `match` and `end`; answers with a function that ends
 * it.
 */
export function onSearch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(event, match) {
  for (const listener of listeners) listener(event, match);
}

/** Forgets query and results. */
export function clear() {
  running?.abort();
  Object.assign(session, {
    query: null,
    matches: [],
    summary: null,
    status: "idle",
    error: null,
    times: null,
  });
  tell("end");
}

/** Searches with what is set, after `changes`; a search that still runs is given up. */
export async function search(changes = {}) {
  Object.assign(session, changes);
  running?.abort();
  if (!session.query || !session.library) return;
  const mine = new AbortController();
  running = mine;
  begin();
  try {
    await collect(mine.signal);
    if (!mine.signal.aborted) session.status = "done";
  } catch (error) {
    if (mine.signal.aborted) return;
    Object.assign(session, { status: "failed", error });
  }
  if (!mine.signal.aborted) tell("end");
}

function begin() {
  Object.assign(session, {
    matches: [],
    summary: null,
    status: "running",
    error: null,
    times: { begun: performance.now() },
  });
  tell("begin");
}

async function collect(signal) {
  const { library, query, k, minScore } = session;
  const asked = {
    k,
    minScore: minScore || undefined,
    clip: query.clip?.name,
    words: query.words,
    channel: query.clip || query.words ? undefined : session.channel || undefined,
    from: query.words ? 0 : session.from,
    to: query.words ? 0 : session.to,
    filter: clipFilter(session),
    audio: query.file,
    signal,
  };
  for await (const { event, data } of api.search(`libraries/${library}`, asked)) {
    if (signal.aborted) return;
    take(event, data);
  }
  session.times.all = since();
}

const since = () => (performance.now() - session.times.begun) / 1000;

function take(event, data) {
  if (event === "summary") session.summary = data;
  if (event === "again") begin();
  if (event !== "match") return;
  session.matches.push(data);
  tell("match", data);
}
