/** The results of a search to take along: their recordings, a table, lines of JSON, a playlist. */

import { h, icon } from "../core/dom.js";
import { idOf, seconds } from "../core/format.js";
import { words } from "../core/i18n.js";
import { save, saveZip } from "../clips/download.js";
import { stretchesOf } from "./stretches.js";
import { search } from "../strings/search.js";

const t = words(search);
const COLUMNS = ["rank", "score", "name", "label", "speaker", "from", "to", "seconds", "clip"];

/** Ways to take `matches` along, folded away. */
export function exportsOf(matches) {
  const name = `${matches[0].clip.name.split("/")[1]}-results`;
  const way = (label, run) =>
    h("button", { type: "button", class: "button small", onclick: run }, label);
  const text = (label, ending, kind, written) =>
    way(label, () => save(new Blob([written(matches)], { type: kind }), `${name}.${ending}`));
  return h(
    "details",
    { class: "exports" },
    h("summary", {}, icon("download"), t("export")),
    h(
      "div",
      { class: "query-ways start" },
      way(t("exportZip"), () => saveZip(matches.map(({ clip }) => clip))),
      text("CSV", "csv", "text/csv", asTable),
      text("JSONL", "jsonl", "application/jsonl", asLines),
      text("M3U", "m3u8", "audio/x-mpegurl", asPlaylist),
    ),
  );
}

const called = ({ clip }) => clip.displayName || idOf(clip.name);

function asTable(matches) {
  const rows = matches.map((match, place) => {
    const { clip } = match;
    const [best] = stretchesOf(match);
    return [
      ...[place + 1, match.score ?? 0, called(match), clip.label, clip.speaker],
      ...[best?.from, best?.to, seconds(clip.audio?.duration), clip.name],
    ];
  });
  return [COLUMNS, ...rows].map((row) => row.map(cell).join() + "\r\n").join("");
}

/** Quoted where it must be. A text that a spreadsheet would take for a formula begins with '. */
function cell(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value ?? "";
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : String(text);
}

const asLines = (matches) => matches.map((match) => `${JSON.stringify(match)}\n`).join("");

const asPlaylist = (matches) =>
  "#EXTM3U\n" + matches.map((match) => {
    const length = Math.round(seconds(match.clip.audio?.duration) ?? -1);
    const address = `${location.origin}/v1/${match.clip.name}/audio`;
    return `#EXTINF:${length},${called(match).replace(/[\r\n]/g, " ")}\n${address}\n`;
  }).join("");
