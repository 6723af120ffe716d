/** Records the microphone, as webm with Opus where the browser can, and tells how loud it is. */

import { ApiError } from "../core/api.js";

const KINDS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const LONGEST_MS = 60000;

/** A failure of the microphone, worded as those of the server are. */
const refused = (reason) => new ApiError(0, reason, "");

const REASONS = {
  NotAllowedError: "MIC_REFUSED",
  SecurityError: "MIC_REFUSED",
  NotFoundError: "MIC_MISSING",
  OverconstrainedError: "MIC_MISSING",
};

async function microphone() {
  if (!window.isSecureContext) throw refused("MIC_INSECURE");
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    throw refused("MIC_UNSUPPORTED");
  }
  try {
    // As it sounds: what makes speech clear in a call spoils other sounds.
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return await navigator.mediaDevices.getUserMedia({ audio: plain });
  } catch (error) {
    throw refused(REASONS[error.name] ?? "MIC_BUSY");
  }
}

/**
 * Starts to record; `onend(blob)` is called with the recording once it is stopped or a minute long.
 */
export async function record(onend) {
  const stream = await microphone();
  const kind = KINDS.find((each) => MediaRecorder.isTypeSupported(each));
  const recorder = new MediaRecorder(stream, kind ? { mimeType: kind } : {});
  const meter = new Meter(stream);
  const pieces = [];
  let kept = true;
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.onstop = () => {
    clearTimeout(limit);
    meter.close();
    for (const track of stream.getTracks()) track.stop();
    if (kept) onend(new Blob(pieces, { type: recorder.mimeType.split(";")[0] }));
  };
  const limit = setTimeout(() => recorder.state === "recording" && recorder.stop(), LONGEST_MS);
  recorder.start();
  const end = (keep) => {
    kept &&= keep;
    if (recorder.state === "recording") recorder.stop();
  };
  return { level: () => meter.level(), stop: () => end(true), cancel: () => end(false) };
}

class Meter {
  #context = new AudioContext();
  #analyser = this.#context.createAnalyser();
  #samples;

  constructor(stream) {
    this.#analyser.fftSize = 4096;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    this.#context.resume();
  }

  /** Loudness from 0, which is -60 dB or less, to 1, full scale. */
  level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) /
      this.#samples.length;
    return Math.min(Math.max(1 + (10 * Math.log10(power + 1e-9)) / 60, 0), 1);
  }

  close() {
    this.#context.close();
  }
}
