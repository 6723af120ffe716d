"""Makes twenty synthetic example clips, always the same: six kinds of sound and three voices.

`python -m deploy.example_sounds FOLDER` writes them.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import signal

RATE = 16_000
Signal = npt.NDArray[np.float64]
Maker = Callable[[np.random.Generator], Signal]


def _time(seconds: float) -> Signal:
    return np.arange(int(seconds * RATE)) / RATE


def _decay(count: int, seconds: float) -> Signal:
    """Returns an envelope that falls to 1/e in `seconds`."""
    return np.exp(-np.arange(count) / (seconds * RATE))


def _band(random: np.random.Generator, count: int, low: float, high: float) -> Signal:
    """Returns noise between two frequencies in hertz."""
    sections = signal.butter(4, (low, high), "bandpass", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sections, random.standard_normal(count)))


def _modes(
    random: np.random.Generator, seconds: float, partials: list[float], ring: float
) -> Signal:
    """Returns a struck body: inharmonic partials in hertz, the higher the shorter."""
    t = _time(seconds)
    detune = random.uniform(0.97, 1.03)
    parts = [
        np.sin(2 * np.pi * f * detune * t + random.uniform(0, 6.28))
        * _decay(len(t), ring * partials[0] / f)
        / (1 + n)
        for n, f in enumerate(partials)
    ]
    return np.asarray(np.sum(parts, axis=0))


def sword_clash(random: np.random.Generator) -> Signal:
    """Returns steel on steel: a hard click and long high ringing."""
    ring = _modes(random, 1.6, [1890, 2710, 3540, 4620, 5830, 6970], 0.5)
    ring[:160] += 3 * _band(random, 160, 2000, 7500)
    return ring


def knife_on_wood(random: np.random.Generator) -> Signal:
    """Returns a few chops on a board: short, dull, low."""
    chops = []
    for _ in range(5):
        chop = _modes(random, 0.24, [190, 320, 540], 0.03)
        chop[:300] += 1.5 * _band(random, 300, 200, 1800)
        chops.append(chop * random.uniform(0.7, 1))
    return np.concatenate(chops)


def sword_swing(random: np.random.Generator) -> Signal:
    """Returns a blade through air: noise whose band rises and falls."""
    count = int(random.uniform(0.8, 1.0) * RATE)
    rise = np.sin(np.pi * np.arange(count) / count) ** 2
    low, high = _band(random, count, 300, 900), _band(random, count, 1500, 4000)
    return np.asarray(((1 - rise) * low + rise * high) * rise)


def knife_sharpening(random: np.random.Generator) -> Signal:
    """Returns strokes on a whetstone: bursts of rough, high noise."""
    strokes = []
    for _ in range(4):
        count = int(random.uniform(0.28, 0.34) * RATE)
        rough = _band(random, count, 3500, 7500) * (
            1 + 0.6 * signal.sawtooth(2 * np.pi * 110 * _time(count / RATE)[:count])
        )
        strokes += [rough * np.hanning(count), np.zeros(int(0.08 * RATE))]
    return np.concatenate(strokes)


def bronze_bell(random: np.random.Generator) -> Signal:
    """Returns a bell: long, low partials that beat."""
    return _modes(random, 2.2, [220, 262, 440, 523, 660, 880], 1.2)


def crackling_fire(random: np.random.Generator) -> Signal:
    """Returns fire: a low rumble and sparse clicks."""
    count = int(2.0 * RATE)
    sound = 0.4 * _band(random, count, 60, 300)
    for start in random.integers(0, count - 200, 45):
        sound[start : start + 200] += (
            random.uniform(0.3, 2) * _band(random, 200, 900, 5000) * _decay(200, 0.003)
        )
    return sound


def _voice(pitch: float, tract: float) -> Maker:
    """Returns the maker of a speaker.

    Args:
        pitch: Pitch of the voice, Hz.
        tract: Length of the vocal tract as a factor, 1 for the vowels' source.
    """
    vowels = [
        (730, 1090, 2440),
        (270, 2290, 3010),
        (300, 870, 2240),
        (530, 1840, 2480),
        (570, 840, 2410),
    ]

    def speak(random: np.random.Generator) -> Signal:
        syllables = []
        for _ in range(9):
            t = _time(random.uniform(0.16, 0.24))
            tone = pitch * (1 + 0.06 * np.sin(2 * np.pi * 3 * t + random.uniform(0, 6.28)))
            source = signal.sawtooth(
                2 * np.pi * np.cumsum(tone) / RATE
            ) + 0.05 * random.standard_normal(len(t))
            for formant in vowels[random.integers(len(vowels))]:
                b, a = signal.iirpeak(formant / tract, 5, fs=RATE)
                source = source + 4 * signal.lfilter(b, a, source)
            syllables += [
                source * np.hanning(len(t)),
                np.zeros(int(random.uniform(0.01, 0.05) * RATE)),
            ]
        return np.concatenate(syllables)

    return speak


KINDS: dict[str, tuple[Maker, int]] = {
    "sword_clash": (sword_clash, 3),
    "knife_on_wood": (knife_on_wood, 3),
    "sword_swing": (sword_swing, 3),
    "knife_sharpening": (knife_sharpening, 3),
    "bronze_bell": (bronze_bell, 3),
    "crackling_fire": (crackling_fire, 2),
    "voice_low": (_voice(95, 1.12), 1),
    "voice_middle": (_voice(165, 1.0), 1),
    "voice_high": (_voice(240, 0.86), 1),
}
"""Maker and number of clips of each kind: 20 in all."""


def make(kind: str, variant: int) -> Signal:
    """Returns a clip of a kind with peak 0.7. Equal kind and variant give equal samples."""
    random = np.random.default_rng([zlib.crc32(kind.encode()), variant])
    sound = KINDS[kind][0](random)
    sound = sound + 0.002 * random.standard_normal(len(sound)) * np.abs(sound).max()
    return np.asarray(0.7 * sound / np.abs(sound).max())


def clips() -> Iterator[tuple[str, Signal]]:
    """Yields name and samples of the 20 clips."""
    for kind, (_, count) in KINDS.items():
        for variant in range(1, count + 1):
            yield f"{kind}_{variant}", make(kind, variant)


def write(path: Path, sound: Signal) -> Path:
    """Writes a clip as 16-bit WAV."""
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    return path


def write_all(folder: Path) -> None:
    """Writes the 20 clips as WAV files into `folder`."""
    for name, sound in clips():
        write(folder / f"{name}.wav", sound)


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "sounds")
    target.mkdir(parents=True, exist_ok=True)
    write_all(target)
    sys.stdout.write(f"20 clips written to {target}\n")
