"""More sounds than the example clips, synthesised, for a library that looks real."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import signal

from deploy import example_sounds
from deploy.example_sounds import RATE, Signal

Random = np.random.Generator


@dataclass(frozen=True)
class Described:
    """A sound with what its owner says about it."""

    name: str
    label: str
    speaker: str
    samples: Signal


def _time(seconds: float) -> Signal:
    return np.arange(int(seconds * RATE)) / RATE


def _noise(random: Random, seconds: float, low: float, high: float) -> Signal:
    sections = signal.butter(2, (low, high), "bandpass", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sections, random.standard_normal(int(seconds * RATE))))


def _tone(hertz: Signal) -> Signal:
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hertz) / RATE))


def rain(random: Random) -> Signal:
    """Drops close together on a soft hiss."""
    sound = 0.5 * _noise(random, 3.0, 1500, 7000)
    for start in random.integers(0, len(sound) - 160, 260):
        drop = np.exp(-np.arange(160) / 30) * random.standard_normal(160)
        sound[start : start + 160] += random.uniform(0.3, 1.5) * drop
    return sound


def birdsong(random: Random) -> Signal:
    """Chirps that fall, one after the other."""
    notes = []
    for _ in range(random.integers(5, 9)):
        t = _time(random.uniform(0.09, 0.2))
        fall = random.uniform(3200, 5200) - 9000 * t + 300 * np.sin(2 * np.pi * 35 * t)
        notes += [
            _tone(fall) * np.hanning(len(t)),
            np.zeros(int(random.uniform(0.05, 0.16) * RATE)),
        ]
    return np.concatenate(notes)


def footsteps(random: Random) -> Signal:
    """Steps on gravel, evenly walked."""
    steps = []
    for _ in range(5):
        step = _noise(random, 0.16, 400, 3500) * np.exp(-_time(0.16) / 0.04)
        steps += [step * random.uniform(0.7, 1), np.zeros(int(random.uniform(0.3, 0.36) * RATE))]
    return np.concatenate(steps)


def engine(random: Random) -> Signal:
    """A motor that runs up."""
    t = _time(2.8)
    turns = np.linspace(random.uniform(38, 46), random.uniform(75, 95), len(t))
    pulses = signal.sawtooth(2 * np.pi * np.cumsum(turns) / RATE)
    return np.asarray(pulses + 0.5 * pulses * _noise(random, 2.8, 80, 900))


def siren(random: Random) -> Signal:
    """A horn that rises and falls."""
    t = _time(2.6)
    rate, low = random.uniform(0.5, 0.8), random.uniform(600, 720)
    return _tone(low + 500 * (0.5 - 0.5 * np.cos(2 * np.pi * rate * t)))


def glass(random: Random) -> Signal:
    """A glass that is struck with a spoon, twice."""
    t = _time(0.9)
    ring = sum(
        np.sin(2 * np.pi * f * random.uniform(0.98, 1.02) * t) * np.exp(-t * f / 900)
        for f in (2350, 3870, 5600, 7300)
    )
    return np.concatenate([ring, 0.8 * ring])


def drum(random: Random) -> Signal:
    """A beat on a low drum."""
    t = _time(0.42)
    pitch = random.uniform(68, 86) * (1 + 1.5 * np.exp(-t / 0.03))
    stroke = _tone(pitch) * np.exp(-t / 0.12)
    strength = random.uniform(0.5, 1, 5)
    return np.concatenate([loud * stroke for loud in strength])


def wind(random: Random) -> Signal:
    """Gusts around a corner."""
    sound = _noise(random, 3.4, 180, 900)
    t = _time(3.4)
    return np.asarray(sound * (0.4 + np.sin(np.pi * random.uniform(0.5, 0.8) * t + 1) ** 2))


LABELS: dict[str, str] = {
    "sword_clash": "sword",
    "sword_swing": "sword",
    "knife_on_wood": "kitchen",
    "knife_sharpening": "kitchen",
    "bronze_bell": "bell",
    "crackling_fire": "fire",
    "voice_low": "speech",
    "voice_middle": "speech",
    "voice_high": "speech",
    "rain": "weather",
    "wind": "weather",
    "birdsong": "bird",
    "footsteps": "steps",
    "engine": "engine",
    "siren": "alarm",
    "glass": "kitchen",
    "drum": "drum",
}
SPEAKERS = {"voice_low": "Konrad", "voice_middle": "Marta", "voice_high": "Lin"}
MAKERS: tuple[Callable[[Random], Signal], ...] = (
    rain,
    wind,
    birdsong,
    footsteps,
    engine,
    siren,
    glass,
    drum,
)


def _made(kind: str, variant: int) -> Signal:
    if kind in example_sounds.KINDS:
        return example_sounds.make(kind, variant)
    maker = next(each for each in MAKERS if each.__name__ == kind)
    sound = maker(np.random.default_rng([zlib.crc32(kind.encode()), variant]))
    return np.asarray(0.7 * sound / np.abs(sound).max())


def _recorded(kind: str, variant: int) -> Signal:
    """A sound with another one somewhere behind it, from not at all to almost as loud."""
    random = np.random.default_rng([zlib.crc32(kind.encode()), variant, 1])
    sound = _made(kind, variant)
    behind = np.resize(_made(str(random.choice(list(LABELS))), variant + 50), len(sound))
    mixed = sound + random.uniform(0, 0.9) ** 2 * behind
    return np.asarray(0.7 * mixed / np.abs(mixed).max())


def clips(variants: int) -> Iterator[Described]:
    """`variants` sounds of each kind, always the same."""
    for variant in range(1, variants + 1):
        for kind, label in LABELS.items():
            name = f"{kind}_{variant:02}.wav"
            yield Described(name, label, SPEAKERS.get(kind, ""), _recorded(kind, variant))
