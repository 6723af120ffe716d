/** The outline of sounds, each once: a stored clip's from the server, a file's decoded here. */

const RATE = 8000;
const BARS = 600;
const AT_ONCE = 4;
const MOST_KEPT = 2000;

const known = new Map();
const queue = [];
let working = 0;

/** The loudest sample of each of many equal parts, and the length: `{bars, seconds}`. */
export async function peaksOf(source, signal) {
  if (known.has(source.key)) return known.get(source.key);
  await turn(signal);
  try {
    const found = source.peaks
      ? { bars: await source.peaks(signal), seconds: source.seconds }
      : await outline(await source.blob(signal));
    known.set(source.key, found);
    if (known.size > MOST_KEPT) known.delete(known.keys().next().value);
    return found;
  } finally {
    working -= 1;
    queue.shift()?.();
  }
}

function turn(signal) {
  return new Promise((resolve, reject) => {
    const begin = () => {
      working += 1;
      resolve();
    };
    if (working < AT_ONCE) {
      begin();
      return;
    }
    queue.push(begin);
    signal.addEventListener(
      "abort",
      () => {
        const place = queue.indexOf(begin);
        if (place >= 0) queue.splice(place, 1);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

async function outline(blob) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const audio = await context.decodeAudioData(await blob.arrayBuffer());
  const channels = Array.from(
    { length: audio.numberOfChannels },
    (_, channel) => audio.getChannelData(channel),
  );
  const bars = new Float32Array(Math.min(BARS, audio.length));
  for (let bar = 0; bar < bars.length; bar += 1) {
    bars[bar] = loudest(
      channels,
      Math.floor((bar * audio.length) / bars.length),
      Math.floor(((bar + 1) * audio.length) / bars.length),
    );
  }
  return { bars, seconds: audio.duration };
}

function loudest(channels, from, to) {
  let most = 0;
  for (const samples of channels) {
    for (let place = from; place < to; place += 1) most = Math.max(most, Math.abs(samples[place]));
  }
  return most;
}
