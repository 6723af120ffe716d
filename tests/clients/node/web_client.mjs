// Searches over gRPC-Web as a page in a browser does, through Envoy:
//
//   node web_client.mjs URL LIBRARY FILE
//
// The stubs in gen/ come from the contracts in protos/, by `buf generate` with buf.gen.yaml.

import { readFile } from "node:fs/promises";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { ClipService } from "./gen/audiosearch/gateway/v1/clip_service_pb.js";
import { SearchService } from "./gen/audiosearch/gateway/v1/search_service_pb.js";

const [baseUrl, library, file] = process.argv.slice(2);
if (!file) {
  console.error("usage: node web_client.mjs URL LIBRARY FILE");
  process.exit(2);
}

const withKey = (next) => (request) => {
  const key = process.env.AUDIOSEARCH_API_KEY;
  if (key) request.header.set("authorization", `Bearer ${key}`);
  return next(request);
};
const transport = createGrpcWebTransport({ baseUrl, interceptors: [withKey] });
const clips = createClient(ClipService, transport);
const search = createClient(SearchService, transport);

try {
  const { matches } = await search.searchClips(
    {
      config: { parent: `libraries/${library}`, k: 3 },
      query: { case: "audio", value: await readFile(file) },
    },
    { timeoutMs: 60_000 },
  );
  for (const { clip, score } of matches) console.log(`${score.toFixed(3)} ${clip.displayName}`);
  // Browsers can't stream to the server, but they can read a stream: the best match's own bytes.
  let bytes = 0;
  for await (const { response } of clips.downloadAudio({ name: matches[0].clip.name })) {
    if (response.case === "chunk") bytes += response.value.length;
  }
  console.log(`${bytes} bytes`);
} catch (error) {
  const failure = ConnectError.from(error);
  console.error(`${Code[failure.code]}: ${failure.rawMessage}`);
  process.exitCode = 1;
}
