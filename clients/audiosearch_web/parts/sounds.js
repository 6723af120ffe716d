/** Which files are sounds: by their endings or their first bytes, as the server's imports judge. */

const ENDINGS = [
  ".wav",
  ".wave",
  ".bwf",
  ".rf64",
  ".w64",
  ".flac",
  ".mp3",
  ".mp2",
  ".mpga",
  ".ogg",
  ".oga",
  ".opus",
  ".spx",
  ".m4a",
  ".m4b",
  ".mp4",
  ".3gp",
  ".3ga",
  ".3g2",
  ".aac",
  ".aif",
  ".aiff",
  ".aifc",
  ".webm",
  ".weba",
  ".mka",
  ".wma",
  ".amr",
  ".awb",
  ".caf",
  ".au",
  ".snd",
  ".sph",
  ".nist",
  ".ac3",
  ".ape",
  ".wv",
  ".tta",
  ".mpc",
  ".voc",
  ".gsm",
];
const BEGINNINGS = [
  String.raw`RIFF....(?:WAVE|AVI )`,
  String.raw`(?:RIFX|RF64|BW64)....WAVE`,
  String.raw`riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb`,
  String.raw`fLaC|OggS|caff|FLV\x01|ID3[\x02-\x04]`,
  String.raw`FORM....(?:AIFF|AIFC|8SVX|16SV)|FRM8........DSD |DSD `,
  String.raw`....ftyp(?!hei|hev|mif|msf|avi|crx|jp|cif)`,
  String.raw`....(?:styp|moov|moof|mdat)|\x00...(?:wide|free|skip)`,
  String.raw`\x1aE\xdf\xa3`,
  String.raw`\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9`,
  String.raw`\x00\x00\x01\xba|G.{187}G.{187}G|....G.{191}G.{191}G`,
  String.raw`\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd][\x10-\xef]`,
  String.raw`\xff[\xf0\xf1\xf8\xf9][\x00-\x33\x40-\x73\x80-\xb3\xc0-\xf3]`,
  String.raw`\x0b\x77|\x7f\xfe\x80\x01|\xfe\x7f\x01\x80`,
  String.raw`#!AMR|NIST_1A|Creative Voice File|\.snd|dns\.|\.SoX|XoS\.|PVF1`,
  String.raw`2BIT| paf|fap |ALawSoundFile|\xf0\x7e.\x01|Extended Instrument:`,
  String.raw`wvpk|TTA[12]|MAC |MPCK|MP\+|\x64\xa3[\x00-\x04]\x00|\x00[\x00-\x04]\xa3\x64`,
];
const HEAD_BYTES = 512;
const BEGINS = new RegExp(`^(?:${BEGINNINGS.join("|")})`, "s");
const ENDING = /\.[a-z0-9_-]{1,15}$/;

/** For `accept` of a file input. */
export const ACCEPT = ["audio/*", ...ENDINGS].join();

/** True if these bytes, the first of a file, are those of a sound. */
export const begins = (head) => BEGINS.test(String.fromCharCode(...head));

/** True if a file `{name, path, file()}` is to be taken for a sound. */
export const isSound = async (file) => !(await kindPassedOver(file));

/** The kind of a file that is no sound, such as `.txt` or `hidden`; empty for a sound. */
export async function kindPassedOver({ name, path, file }) {
  if (isHidden(path)) return "hidden";
  const low = name.toLowerCase();
  if (ENDINGS.some((ending) => low.endsWith(ending))) return "";
  try {
    const head = await (await file()).slice(0, HEAD_BYTES).arrayBuffer();
    if (begins(new Uint8Array(head))) return "";
  } catch {
    return "unreadable";
  }
  return low.match(ENDING)?.[0] ?? "other";
}

/** True below the folder that was chosen; that itself is somebody's wish. */
function isHidden(path) {
  const parts = path.split("/");
  return (parts.length > 1 ? parts.slice(1) : parts)
    .some((part) => part.startsWith(".") || part === "__MACOSX");
}
