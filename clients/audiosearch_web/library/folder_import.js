/** Imports of folders of the server: the server works, the page watches. */

import { api, ApiError } from "../core/api.js";
import { remarkCountsInWords } from "../parts/remarks.js";
import { addImport, importsOf, isOver, Rate, tellImports } from "./imports.js";

const STATUS = {
  STATE_RUNNING: "running",
  STATE_SUCCEEDED: "done",
  STATE_CANCELLED: "cancelled",
  STATE_FAILED: "failed",
};
const AGAIN_MS = 1000;

export class FolderImport {
  #name;
  #rate = new Rate();

  constructor(library, operation) {
    this.#name = operation.name;
    this.state = {
      kind: "folder",
      library,
      name: operation.name,
      status: "running",
      passedOver: {},
      waiting: null,
    };
    this.#read(operation);
    this.#rate.restart(this.state.done);
    addImport(this);
    this.#watch();
  }

  /** Asks the server to stop; it ends the files in work. */
  async cancel() {
    this.state.cancelling = true;
    tellImports();
    await api.cancelOperation(this.#name);
  }

  rate = () => (this.state.status === "running" ? this.#rate.perSecond() : undefined);

  async #watch() {
    try {
      while (!isOver(this)) {
        for await (const { event, data } of api.watchOperation(this.#name)) {
          if (event === "operation") this.#read(data);
        }
        if (!isOver(this)) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    } catch (error) {
      Object.assign(this.state, { status: "failed", error });
      tellImports();
    }
  }

  #read({ metadata: job, error }) {
    const { total = 0, imported = 0, existing = 0, failed = 0 } = job.progress ?? {};
    const counts = {
      total: Number(total),
      imported: Number(imported),
      existing: Number(existing),
      failed: Number(failed),
    };
    Object.assign(this.state, counts, {
      folder: job.folder,
      passedOver: Object.fromEntries(
        Object.entries(job.progress?.passedOver ?? {}).map((
          [kind, count],
        ) => [kind, Number(count)]),
      ),
      remarks: remarkCountsInWords(job.progress?.remarks),
      done: counts.imported + counts.existing + counts.failed,
      status: STATUS[job.state] ?? "running",
      failures: (job.failures ?? []).map(({ path, failure }) => ({
        path,
        reason: failure?.reason,
        message: failure?.message,
      })),
      duplicates: job.duplicates ?? [],
      cancelling: job.cancelRequested && job.state === "STATE_RUNNING",
    });
    if (job.state === "STATE_FAILED") {
      this.state.error = new ApiError(
        0,
        job.failure?.reason ?? "OPERATION_FAILED",
        job.failure?.message ?? error?.message ?? "",
      );
    }
    this.#rate.mark(this.state.done);
    tellImports();
  }
}

/** Begins to import a folder; `options` are the `label` and the `channel` of all its files. */
export async function importFolder(library, folder, options) {
  return new FolderImport(library, await api.importFolder(`libraries/${library}`, folder, options));
}

/**
 * Takes up the imports that run already: those of other pages, and of this one before it was loaded
 * anew.
 */
export async function findImports(library) {
  const { operations = [] } = await api.operations(`libraries/${library}`);
  const watched = new Set(importsOf(library).map(({ state }) => state.name));
  return operations
    .filter(({ name, done }) => !done && !watched.has(name))
    .map((operation) => new FolderImport(library, operation));
}
