/**
 * Enrolls recordings one after the other, as each is judged by those before it. It goes on while
 * other pages are shown.
 */

import { api } from "../core/api.js";
import { failsAll, withRetries } from "../core/retry.js";

const known = new Map();

/** The enrollment of a speaker, by the speaker's name. */
export function enrollmentOf(name) {
  if (!known.has(name)) known.set(name, new Enrollment(name));
  return known.get(name);
}

/** True while a recording is still to be enrolled. */
export const enrolling = () => [...known.values()].some(({ busy }) => busy);

/**
 * `items` are `{source, channel, status, error, agreement, fit, audio}` with `status` waiting,
 * sending, enrolled or refused, and the properties of the `audio` that was heard.
 */
class Enrollment {
  items = [];
  /** The name of the speaker, should it be made. */
  displayName = "";
  /** True if the speaker is there already; otherwise it is made, or the recording is refused. */
  exists = false;
  /** The speaker as the last recording left it. */
  speaker = null;
  /** The error that keeps the server from answering. */
  waiting = null;
  #name;
  #running = false;
  #listeners = new Set();

  constructor(name) {
    this.#name = name;
  }

  get busy() {
    return this.#running;
  }

  /**
   * Calls `listener()` whenever something has become of a recording; answers with a function that
   * ends it.
   */
  on(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes `{source, channel}` each: a source of sources.js, and the channel of it, 0 for all. */
  add(recordings) {
    this.items.push(
      ...recordings.map(({ source, channel = 0 }) => ({ source, channel, status: "waiting" })),
    );
    this.#run();
  }

  /** Tries a recording once more; `allowOtherVoice` takes it whatever it sounds like. */
  again(item, { allowOtherVoice = false } = {}) {
    Object.assign(item, { status: "waiting", error: undefined, allowOtherVoice });
    this.#run();
  }

  /** Forgets what became of recordings. */
  clear() {
    this.items = this.items.filter(({ status }) => status === "waiting" || status === "sending");
    this.#tell();
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    for (let item; (item = this.items.find(({ status }) => status === "waiting"));) {
      item.status = "sending";
      this.#tell();
      await this.#one(item);
    }
    this.#running = false;
    this.#tell();
  }

  async #one(item) {
    try {
      const { speaker, outcomes } = await this.#send(item);
      this.speaker = speaker;
      this.exists = true;
      const { agreement, fit, clip } = outcomes[0] ?? {};
      Object.assign(item, { status: "enrolled", agreement, fit, audio: clip?.audio });
    } catch (error) {
      Object.assign(item, { status: "refused", error });
      if (failsAll(error) || error.reason === "SPEAKER_EXISTS") this.#refuseAll(error);
    }
  }

  #refuseAll(error) {
    for (const item of this.items) {
      if (item.status === "waiting") Object.assign(item, { status: "refused", error });
    }
  }

  async #send(item) {
    try {
      return await this.#ask(item);
    } catch (error) {
      // The answer to the first try was lost: it is the speaker that was made then.
      if (error.reason !== "SPEAKER_EXISTS" || !error.lost) throw error;
      this.exists = true;
      return this.#ask(item);
    }
  }

  #ask({ source, channel, allowOtherVoice }) {
    const asked = {
      clip: source.clip?.name,
      file: source.file,
      fileName: source.name,
      channel: channel || undefined,
      displayName: this.displayName || undefined,
      existing: this.exists ? undefined : "EXISTING_POLICY_FAIL",
      allowOtherVoice: allowOtherVoice || undefined,
    };
    return withRetries(
      () => api.enroll(this.#name, asked),
      (error) => {
        this.waiting = error;
        this.#tell();
      },
    );
  }
}
