/** The limit of the bytes of one recording, told before it is sent, as the server tells it. */

/** Smaller recordings are sent without asking for the limit. */
export const LARGE = 2 ** 20;
const STEREO = 48000 * 2 * 2;

const grouped = (value) =>
  value.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const mebibytes = (bytes) => `${grouped(bytes / 2 ** 20)} MiB`;

/** A length of time in hours, minutes or seconds. */
function inWords(seconds) {
  const digits = (value) => String(Number(value.toPrecision(3)));
  if (seconds < 60) return `${digits(seconds)} s`;
  if (seconds < 3600) return `${grouped(seconds / 60)} minutes`;
  const hours = digits(seconds / 3600);
  return `${hours} hour${hours === "1" ? "" : "s"}`;
}

/** The sentence for a recording above a limit; serving/audio_size.py has the same. */
export const tooLarge = (limit, size) =>
  `at most ${limit} bytes of audio are accepted, ${mebibytes(limit)} or ` +
  `${inWords(limit / STEREO)} of uncompressed 48 kHz stereo, and this is ` +
  `${mebibytes(size)}: cut it into shorter clips, send it compressed, or have the operator raise ` +
  "AUDIOSEARCH_MAX_AUDIO_BYTES";
