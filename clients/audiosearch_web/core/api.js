/** Calls the gateway: the only module that fetches. */

import { LARGE, tooLarge } from "./audio_size.js";
import { whenBack } from "./connection.js";
import { eventsOf } from "./events.js";
import { sendWithMedia } from "./media_key.js";

/** A call that failed: `reason` is of google.rpc.ErrorInfo, `message` a sentence of the server. */
export class ApiError extends Error {
  constructor(status, reason, message, metadata = {}) {
    super(message);
    Object.assign(this, { status, reason, metadata });
  }
}

const ATTEMPTS = 3;
const STOPPING_MS = 1000;

let keys = { key: () => "", ask: () => Promise.resolve(false) };

/**
 * Takes `key()`, the API key or "", and `ask(reason)`, which asks somebody for one and answers
 * whether there is one to try.
 */
export function useKeys(given) {
  keys = given;
}

const pause = (wait) => new Promise((resolve) => setTimeout(resolve, wait));

/** True when the gateway answers, whatever it says of the services behind it. */
async function probe() {
  try {
    const response = await fetch("/healthz", {
      cache: "no-store",
      signal: AbortSignal.timeout(10000),
    });
    await response.text(); // what is left unread would be aborted later
    return response.ok || isOurs(response);
  } catch {
    return false;
  }
}

/** Waits for the server where it is gone: the check in the background. */
export const checkConnection = () => whenBack(probe);

/** True if the gateway gave this answer, and not a proxy in front of it. */
const isOurs = (response) => (response.headers.get("content-type") ?? "").includes("json");

/**
 * Asks until there is an answer, read to its end by `read`: waits for a server that is gone, and
 * for a key that is missing. Every call may be repeated: what changes something carries a request
 * id or can be done twice.
 */
async function request(method, path, { query, ...options } = {}) {
  await requireFit(options.body);
  const url = withQuery(path, query);
  let lost = false; // an answer on its way: what was asked for may have been done
  for (let attempt = 1;; attempt += 1) {
    const answer = await send(method, url, options);
    if (!answer) {
      lost = true;
      if (attempt >= ATTEMPTS) throw Object.assign(brokenOff(method, path), { lost });
      // A call that breaks off while the server is there is left to the caller's patience.
      if (await whenBack(probe, options.signal)) attempt = 0;
      continue;
    }
    if (!answer.error) return answer.value;
    const error = Object.assign(answer.error, { lost });
    if (error.reason === "GATEWAY_UNAVAILABLE" && attempt < ATTEMPTS) {
      await pause(STOPPING_MS);
      continue;
    }
    const keyed = /^KEY_(MISSING|INVALID)$/.test(error.reason) && (await keys.ask(error.reason));
    if (method === "DELETE" && attempt > 1 && error.status === 404) return undefined;
    if (!keyed) throw error;
  }
}

const brokenOff = (method, path) =>
  new ApiError(0, "CONNECTION_LOST", `the connection broke off at ${method} ${path}`);

/** One try, with `value` or `error`; undefined when nothing of ours answered, or not to its end. */
async function send(method, url, { body, json, signal, read = (response) => response.text() }) {
  const headers = {};
  const key = keys.key();
  if (key) headers.authorization = `Bearer ${key}`;
  if (json) headers["content-type"] = "application/json";
  else if (body && !(body instanceof FormData)) {
    headers["content-type"] = body.type || "application/octet-stream";
  }
  try {
    const sent = json ? JSON.stringify(json) : body;
    const response = await fetch(url, { method, headers, body: sent, signal });
    if (response.ok) return { value: await read(response) };
    const ours = isOurs(response);
    if (response.status >= 502 && response.status <= 504 && !ours) return undefined;
    return { error: failure(response, await response.text()) };
  } catch (error) {
    if (signal?.aborted || error instanceof SyntaxError) throw error;
    if (!(await isReadable(body))) {
      throw new ApiError(0, "NOT_SENT", `the file for ${method} ${url} could not be read`);
    }
    return undefined;
  }
}

const fileOf = (body) => (body instanceof FormData ? body.get("audio") : body);

let maxBytes;

/** Fails, before anything is sent, if a recording is larger than the server takes. */
async function requireFit(body) {
  const file = fileOf(body);
  if (!(file instanceof Blob) || file.size <= LARGE) return;
  maxBytes ??= Number((await ask("GET", "/v1/models/default")).maxAudioBytes ?? 0);
  if (!maxBytes || file.size <= maxBytes) return;
  throw new ApiError(400, "AUDIO_TOO_LONG", tooLarge(maxBytes, file.size));
}

/** False if what was to be sent is gone: a chosen file may have changed or moved since. */
async function isReadable(body) {
  const file = fileOf(body);
  if (!(file instanceof Blob)) return true;
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function failure(response, text) {
  try {
    return told(JSON.parse(text).error ?? {}, response);
  } catch {
    return told({}, response); // a proxy's page
  }
}

function told({ code, message, status, details = [] }, response) {
  const info = details.find((detail) => detail.reason) ?? {};
  const known = info.reason ?? status ?? `HTTP_${response?.status ?? ""}`;
  const said = message ?? response?.statusText ?? "";
  return new ApiError(response?.status ?? code ?? 0, known, said, info.metadata);
}

function withQuery(path, query = {}) {
  const set = Object.entries(query)
    .flatMap(([name, value]) => [value].flat().map((each) => [name, each]))
    .filter(([, value]) => value !== undefined && value !== "");
  return set.length ? `${path}?${new URLSearchParams(set)}` : path;
}

const ask = (method, path, options) =>
  request(method, path, { ...options, read: (response) => response.json() });

/** Sixteen random bytes: crypto.randomUUID is there in secure contexts only. */
export const requestId = () =>
  Array.from(
    crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");

/** A stream of events to its end; one that breaks off is asked for again, told as `again`. */
async function* stream(method, path, options) {
  for (let attempt = 1;; attempt += 1) {
    const body = await request(method, path, { ...options, read: (response) => response.body });
    try {
      for await (const event of eventsOf(body)) {
        if (event.event === "error") throw told(event.data.error ?? event.data);
        yield event;
        if (method === "GET") attempt = 0; // a watch that lasts may break off any number of times
      }
      return;
    } catch (error) {
      if (error instanceof ApiError || options.signal?.aborted || attempt >= ATTEMPTS) throw error;
    }
    await whenBack(probe, options.signal);
    yield { event: "again", data: null };
  }
}

/** All pages of a list, up to `most` resources. */
async function all(path, field, query, most = 1000) {
  const found = [];
  let pageToken;
  do {
    const page = await ask("GET", path, { query: { pageSize: 200, ...query, pageToken } });
    found.push(...(page[field] ?? []));
    pageToken = page.nextPageToken;
  } while (pageToken && found.length < most);
  return found;
}

function form(file, name) {
  const fields = new FormData();
  fields.append("audio", file, name);
  return fields;
}

const masked = (fields) => Object.keys(fields).join();

/** Names are resource names as the contracts have them: `libraries/x`, `libraries/x/clips/y`. */
export const api = {
  /** The running models, the default one first. */
  models: (signal) => ask("GET", "/v1/models", { signal }),
  libraries: () => all("/v1/libraries", "libraries"),
  library: (name, signal) => ask("GET", `/v1/${name}`, { signal }),
  createLibrary: (libraryId, fields) =>
    ask("POST", "/v1/libraries", { query: { libraryId, requestId: requestId() }, json: fields }),
  updateLibrary: (name, fields) =>
    ask("PATCH", `/v1/${name}`, { query: { updateMask: masked(fields) }, json: fields }),
  migrateLibrary: (name, wanted = {}) => ask("POST", `/v1/${name}:migrate`, { json: wanted }),
  deleteLibrary: (name) => request("DELETE", `/v1/${name}`, { query: { force: "true" } }),

  clips: (library, { filter = {}, orderBy, pageSize, pageToken, signal } = {}) => {
    const fields = Object.entries(filter).map(([field, value]) => [`filter.${field}`, value]);
    return ask("GET", `/v1/${library}/clips`, {
      query: { pageSize, pageToken, orderBy, ...Object.fromEntries(fields) },
      signal,
    });
  },
  /** The most frequent values of a field, with the number of clips that have each. */
  countValues: (library, field, pageSize, state) =>
    ask("GET", `/v1/${library}/clips:countValues`, {
      query: { field, pageSize, "filter.state": state },
    }),
  /** The outline of a clip's audio: a number from 0 to 1 for each of its parts. */
  peaks: async (name, signal) => {
    const { values = "" } = await ask("GET", `/v1/${name}/peaks`, { signal });
    return Float32Array.from(atob(values), (byte) => byte.charCodeAt(0) / 255);
  },
  clip: (name, signal) => ask("GET", `/v1/${name}`, { signal }),
  updateClip: (name, fields) =>
    ask("PATCH", `/v1/${name}`, { query: { updateMask: masked(fields) }, json: fields }),
  /** Into the trash; with `permanent`, or where the server has none, for good. */
  deleteClip: (name, permanent) =>
    request("DELETE", `/v1/${name}`, { query: { permanent: permanent || undefined } }),
  restoreClip: (name) => ask("POST", `/v1/${name}:restore`, { json: {} }),
  /** `query`: displayName, label, speaker, channel, requestId; uri for audio that stays there. */
  upload: (library, file, query, signal) =>
    ask("POST", `/v1/${library}/clips`, { query, body: file, signal }),
  audio: (name, signal) =>
    request("GET", `/v1/${name}/audio`, { signal, read: (response) => response.blob() }),
  /** One of the example sounds that come with the page. */
  example: (name) =>
    request("GET", `/assets/examples/${name}.ogg`, { read: (response) => response.blob() }),
  /** The address of a link to the audio; undefined where it needs a key, which links can't send. */
  audioLink: (name) => (keys.key() ? undefined : `/v1/${name}/audio`),
  /** The address for a media element; undefined where it needs a key and can't send one. */
  mediaUrl: async (name) =>
    !keys.key() || (await sendWithMedia(keys.key)) ? `/v1/${name}/audio` : undefined,

  /**
   * Events `summary`, `match`..., `done`; `again` means that it begins anew. Give `clip`, `words`
   * or `audio`; `from` and `to` are seconds of it, 0 for its start and end.
   */
  search: (library, { clip, words, audio, channel, from, to, filter = {}, k, minScore, signal }) =>
    stream("POST", `/v1/${library}/clips:streamSearch`, {
      query: {
        k,
        minScore,
        clip,
        words,
        channel,
        "range.startOffset": from ? `${from}s` : undefined,
        "range.endOffset": to ? `${to}s` : undefined,
        ...Object.fromEntries(
          Object.entries(filter).map(([field, value]) => [`filter.${field}`, value]),
        ),
      },
      body: audio,
      signal,
    }),

  /** Keeps a sound that is searched with for a time. `about`: displayName, channel. */
  createQuery: (library, file, about) =>
    ask("POST", `/v1/${library}/queries`, { query: about, body: file }),
  query: (name) => ask("GET", `/v1/${name}`),

  speakers: (library, { pageSize, pageToken, signal } = {}) =>
    ask("GET", `/v1/${library}/speakers`, { query: { pageSize, pageToken }, signal }),
  /** All of them, up to `most`, in pages of a thousand. */
  allSpeakers: (library, most) =>
    all(`/v1/${library}/speakers`, "speakers", { pageSize: 1000 }, most),
  speaker: (name, signal) => ask("GET", `/v1/${name}`, { signal }),
  updateSpeaker: (name, fields) =>
    ask("PATCH", `/v1/${name}`, { query: { updateMask: masked(fields) }, json: fields }),
  deleteSpeaker: (name, deleteClips) =>
    request("DELETE", `/v1/${name}`, { query: { deleteClips: deleteClips || undefined } }),
  /**
   * Enrolls with one recording: a stored `clip` by its name, or `file`, called `fileName`. `query`:
   * displayName, existing, allowOtherVoice.
   */
  enroll: (name, { clip, file, fileName, ...query }) =>
    ask("POST", `/v1/${name}:enroll`, {
      query,
      ...(clip ? { json: { clips: [clip] } } : { body: form(file, fileName) }),
    }),
  removeEnrollments: (name, clips) =>
    ask("POST", `/v1/${name}:removeEnrollments`, { json: { clips } }),
  /** Give `clip`, a name, or `audio`. */
  verify: (name, { clip, audio, channel, signal }) =>
    ask("POST", `/v1/${name}:verify`, { query: { clip, channel }, body: audio, signal }),
  identify: (library, { clip, audio, channel, signal }) =>
    ask("POST", `/v1/${library}/speakers:identify`, {
      query: { clip, channel },
      body: audio,
      signal,
    }),

  calibration: (library, signal) => ask("GET", `/v1/${library}/calibration`, { signal }),
  calibrate: (library, fields) => ask("POST", `/v1/${library}:calibrate`, { json: fields }),
  updateCalibration: (library, fields) =>
    ask("PATCH", `/v1/${library}/calibration`, { json: fields }),
  deleteCalibration: (library) => request("DELETE", `/v1/${library}/calibration`),

  /** `options`: label, channel. */
  importFolder: (library, folder, options) =>
    ask("POST", `/v1/${library}/clips:import`, {
      json: { folder, ...options, requestId: requestId() },
    }),
  operations: (library) => ask("GET", "/v1/operations", { query: { name: library } }),
  cancelOperation: (name) => request("POST", `/v1/${name}:cancel`, { json: {} }),
  watchOperation: (name, signal) => stream("GET", `/v1/${name}:watch`, { signal }),

  status: (signal) => ask("GET", "/v1/status", { signal }),
  map: (library, query, signal) => ask("GET", `/v1/${library}/map`, { query, signal }),
  duplicates: (library, query, signal) =>
    ask("GET", `/v1/${library}/duplicates`, { query, signal }),
};
