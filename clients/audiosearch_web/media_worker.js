/**
 * A service worker that adds the API key to the requests of media elements, which can't send one.
 * So a browser plays a long recording while it comes, from any place, and the key stands in no
 * address. Each page keeps its key: the worker asks the page for it, and forgets it.
 */

const AUDIO = /^\/v1\/libraries\/[^/]+\/clips\/[^/]+\/audio$/;
const ASKING_MS = 5000;
const PASSED_ON = ["range", "if-range"];

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** A page that was loaded past the worker asks to be served by it. */
self.addEventListener("message", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  const isMedia = ["audio", "video"].includes(event.request.destination);
  if (isMedia && origin === self.location.origin && AUDIO.test(pathname)) {
    event.respondWith(answer(event));
  }
});

async function answer({ request, clientId }) {
  const headers = new Headers();
  for (const name of PASSED_ON) {
    const value = request.headers.get(name);
    if (value) headers.set(name, value);
  }
  const key = await keyOf(clientId);
  if (key) headers.set("authorization", `Bearer ${key}`);
  return fetch(request.url, { headers, signal: request.signal });
}

/** The key of a page; empty if it has none, or doesn't answer. */
async function keyOf(clientId) {
  const page = await self.clients.get(clientId);
  if (!page) return "";
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(String(data));
    setTimeout(() => resolve(""), ASKING_MS);
    page.postMessage("key", [port2]);
  });
}
