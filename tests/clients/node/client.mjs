// Uploads and searches over gRPC, with stubs from the contracts in protos/:
//
//   node client.mjs HOST:PORT upload LIBRARY FILE
//   node client.mjs HOST:PORT search LIBRARY FILE
//
// PROTOS names the folders of the contracts, separated by `:`. AUDIOSEARCH_API_KEY is the key,
// where the gateway asks for one; AUDIOSEARCH_TLS_CA the certificates to trust, where it speaks TLS.

import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const SECONDS = 60;
const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const { PROTOS, AUDIOSEARCH_API_KEY, AUDIOSEARCH_TLS_CA } = process.env;

async function connect(target) {
  const files = ["clip", "search"].map((name) => `audiosearch/gateway/v1/${name}_service.proto`);
  const contract = protoLoader.loadSync(files, {
    includeDirs: PROTOS
      ? PROTOS.split(":")
      : [join(root, "protos"), join(root, "build/googleapis")],
    defaults: true,
    enums: String,
    longs: Number,
  });
  const { ClipService, SearchService } =
    grpc.loadPackageDefinition(contract).audiosearch.gateway.v1;
  const credentials = AUDIOSEARCH_TLS_CA
    ? grpc.credentials.createSsl(await readFile(AUDIOSEARCH_TLS_CA))
    : grpc.credentials.createInsecure();
  const clips = new ClipService(target, credentials);
  // The second stub takes the first one's connection.
  const search = new SearchService(target, credentials, { channelOverride: clips.getChannel() });
  return { clips, search };
}

function metadata() {
  const made = new grpc.Metadata();
  if (AUDIOSEARCH_API_KEY) made.set("authorization", `Bearer ${AUDIOSEARCH_API_KEY}`);
  return made;
}

const options = () => ({ deadline: Date.now() + SECONDS * 1000 });

// Resolves with the answer; the file is read only as fast as the server takes it.
function upload(clips, library, file) {
  return new Promise((resolve, reject) => {
    const call = clips.uploadClip(
      metadata(),
      options(),
      (error, answer) => error ? reject(error) : resolve(answer),
    );
    const send = async () => {
      const config = { parent: `libraries/${library}`, clip: { displayName: basename(file) } };
      call.write({ config });
      for await (const audioChunk of createReadStream(file)) {
        if (!call.write({ audioChunk })) await once(call, "drain");
      }
      call.end();
    };
    send().catch(reject);
  });
}

async function find(search, library, file) {
  const request = { config: { parent: `libraries/${library}`, k: 3 }, audio: await readFile(file) };
  return new Promise((resolve, reject) => {
    search.searchClips(
      request,
      metadata(),
      options(),
      (error, answer) => error ? reject(error) : resolve(answer),
    );
  });
}

const [target, command, library, file] = process.argv.slice(2);
if (!file || !["upload", "search"].includes(command)) {
  console.error("usage: node client.mjs HOST:PORT upload|search LIBRARY FILE");
  process.exit(2);
}
const { clips, search } = await connect(target);
try {
  if (command === "upload") {
    const { clip, created } = await upload(clips, library, file);
    console.log(`${clip.name} ${clip.state} ${created ? "created" : "existing"}`);
  } else {
    const { matches } = await find(search, library, file);
    for (const { clip, score } of matches) console.log(`${score.toFixed(3)} ${clip.displayName}`);
  }
} catch (error) {
  console.error(`${grpc.status[error.code] ?? "FAILED"}: ${error.details ?? error.message}`);
  process.exitCode = 1;
} finally {
  clips.close();
}
