/** The API key in the requests of media elements: the service worker media_worker.js adds it. */

const WORKER = "/assets/media_worker.js";
const STARTING_MS = 4000;

let starting;

/**
 * True once media elements of this page send `key()`, which is asked for with each request. False
 * where the browser has no service workers, as it has by https and on this machine alone.
 */
export function sendWithMedia(key) {
  starting ??= start(key).catch(() => false);
  return starting;
}

async function start(key) {
  const workers = navigator.serviceWorker;
  if (!workers) return false;
  workers.addEventListener("message", ({ data, ports }) => {
    if (data === "key") ports[0].postMessage(key());
  });
  workers.startMessages();
  await workers.register(WORKER, { scope: "/" });
  const { active } = await inTime(workers.ready);
  if (!workers.controller) {
    const served = new Promise((resolve) =>
      workers.addEventListener("controllerchange", resolve, { once: true })
    );
    active.postMessage("serve");
    if (!workers.controller) await inTime(served);
  }
  return true;
}

function inTime(promise) {
  const late = new Promise((_, reject) =>
    setTimeout(() => reject(new Error("the service worker did not start")), STARTING_MS)
  );
  return Promise.race([promise, late]);
}
