/**
 * Uploads many files to a library, four at a time; what fails is told by name and stops nothing.
 */

import { api, ApiError, requestId } from "../core/api.js";
import { remarksInWords } from "../parts/remarks.js";
import { kindPassedOver } from "../parts/sounds.js";
import { addImport, Rate, tellImports } from "./imports.js";
import { failsAll, withRetries } from "../core/retry.js";

const AT_ONCE = 4;
const MOST_NAMED = 500;
const MOST_KINDS = 20;
const MOST_COMPARED = 100000;
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;
const asLine = (text) => text.replace(CONTROL, " ").slice(0, 255);

export class Upload {
  #todo = [];
  #next = 0;
  #rate = new Rate();
  #ending = new AbortController();
  #workers = 0;
  #wake = [];
  #retry = [];
  #paths = new Map();

  constructor(library) {
    this.state = {
      kind: "upload",
      library,
      status: "looking",
      total: 0,
      done: 0,
      imported: 0,
      existing: 0,
      failed: 0,
      bytes: 0,
      passedOver: {},
      failures: [],
      remarks: [],
      duplicates: [],
      waiting: null,
    };
    addImport(this);
  }

  /**
   * Takes the files of an iterable, also while others are uploaded: labelled with `label`, or each
   * with the name of its folder where `folders` is set. `channel` of each is heard, 0 for all.
   */
  async add(files, { label = "", folders = false, channel = 0 } = {}) {
    try {
      for await (const file of files) {
        if (this.#ending.signal.aborted) return;
        const own = folders && file.path.split("/").at(-2);
        await this.#take(file, { label: own || label, channel });
        if (this.#todo.length % 100 === 0) tellImports();
      }
    } catch (error) {
      this.#failed(
        { path: "", name: "" },
        new ApiError(0, "NOT_SENT", String(error.message ?? error)),
      );
    }
    this.#start();
  }

  pause() {
    if (this.state.status !== "running") return;
    this.state.status = "paused";
    tellImports();
  }

  resume() {
    if (this.state.status !== "paused") return;
    this.state.status = "running";
    for (const wake of this.#wake.splice(0)) wake();
    this.#start();
  }

  /** Stops at once; what was imported stays. */
  cancel() {
    this.#ending.abort();
    this.state.status = "cancelled";
    for (const wake of this.#wake.splice(0)) wake();
    tellImports();
  }

  /** Tries the files that failed once more. */
  retry() {
    const again = this.#retry.splice(0);
    this.state.done -= this.state.failed;
    Object.assign(this.state, { failed: 0, failures: [] });
    this.#todo.push(...again);
    this.#start();
  }

  rate = () => (this.state.status === "running" ? this.#rate.perSecond() : undefined);

  async #take(file, about) {
    const kind = await kindPassedOver(file);
    if (!kind) {
      this.#todo.push({ ...file, ...about });
      this.state.total += 1;
      return;
    }
    const kinds = this.state.passedOver;
    const known = kind in kinds || Object.keys(kinds).length < MOST_KINDS - 1;
    const counted = known ? kind : "other";
    kinds[counted] = (kinds[counted] ?? 0) + 1;
  }

  #start() {
    if (this.state.status !== "paused") this.state.status = "running";
    this.#rate.restart(this.state.done);
    while (this.#workers < AT_ONCE && this.#next < this.#todo.length) {
      this.#work();
      if (this.state.status === "paused") break;
    }
    if (!this.#workers) this.#finish();
    tellImports();
  }

  async #work() {
    this.#workers += 1;
    while (this.#next < this.#todo.length && !this.#ending.signal.aborted) {
      if (this.state.status === "paused") await new Promise((resolve) => this.#wake.push(resolve));
      else await this.#one(this.#todo[this.#next++]);
    }
    this.#workers -= 1;
    if (!this.#workers && !this.#ending.signal.aborted) this.#finish();
  }

  #finish() {
    this.state.status = "done";
    this.state.waiting = null;
    this.#todo = [];
    this.#next = 0;
    tellImports();
  }

  async #one(entry) {
    try {
      const file = await entry.file();
      const about = {
        displayName: asLine(entry.name),
        label: asLine(entry.label),
        channel: entry.channel || undefined,
      };
      const { clip, created } = await this.#send(file, { ...about, requestId: requestId() });
      this.#heard(entry, clip);
      this.#compare(entry, clip, created);
      this.state[created ? "imported" : "existing"] += 1;
      this.state.bytes += file.size;
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      this.#failed(entry, error);
      if (failsAll(error)) this.#giveUp(error);
    }
    this.state.done += 1;
    this.#rate.mark(this.state.done);
    tellImports();
  }

  #giveUp(error) {
    this.cancel();
    Object.assign(this.state, { status: "failed", error });
  }

  /** One file; waits where the server is busy or lacks a service. */
  #send(file, about) {
    const { library } = this.state;
    return withRetries(
      () => api.upload(`libraries/${library}`, file, about, this.#ending.signal),
      (error) => {
        this.state.waiting = error;
        if (error) tellImports();
      },
    );
  }

  /** Keeps what is to be told of a sound that was taken all the same. */
  #heard({ path }, clip) {
    for (const message of remarksInWords(clip?.audio)) {
      if (this.state.remarks.length < MOST_NAMED) this.state.remarks.push({ path, message });
    }
  }

  /** Notes a file with the bytes of another one, by the name that both are known by. */
  #compare({ path, name }, clip, created) {
    const before = this.#paths.get(clip.name);
    const of = created ? "" : before ?? (clip.displayName === asLine(name) ? "" : clip.displayName);
    if (of && of !== path && this.state.duplicates.length < MOST_NAMED) {
      this.state.duplicates.push({ path, of });
    }
    if (!before && this.#paths.size < MOST_COMPARED) this.#paths.set(clip.name, path);
  }

  #failed(entry, error) {
    const { reason = "NOT_SENT", message } = error;
    this.state.failed += 1;
    if (entry.file) this.#retry.push(entry);
    if (this.state.failures.length < MOST_NAMED) {
      this.state.failures.push({ path: entry.path, reason, message });
    }
  }
}
