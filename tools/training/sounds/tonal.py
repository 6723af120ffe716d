"""Families of tones: FM, engines, birds, sirens, and voices by source and filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.training.sounds.waves import (
    RATE,
    bump,
    harmonics,
    log_uniform,
    noise,
    noise_bins,
    noise_frames,
    oscillate,
    place,
    seconds_to_samples,
    strike,
    swell,
    times,
    vary,
    wander,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from tools.training.sounds.waves import Wave


@dataclass(frozen=True)
class FmTone:
    """Frequency modulation: electronic beeps, zaps, game sounds."""

    carrier: float
    ratio: float
    index: float
    decay: float
    glide: float
    repeats: int

    @classmethod
    def draw(cls, rng: Generator) -> FmTone:
        """Draws a kind of tone."""
        return cls(
            carrier=log_uniform(rng, 150, 3000),
            ratio=float(rng.choice([0.5, 1.0, 1.41, 2.0, 2.76, 3.5, 5.0])),
            index=log_uniform(rng, 0.3, 8.0),
            decay=log_uniform(rng, 0.05, 1.0),
            glide=rng.uniform(-3.0, 3.0),
            repeats=int(rng.integers(1, 5)),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders the tone, repeated."""
        wave = np.zeros(samples)
        length = samples // self.repeats
        for repeat in range(self.repeats):
            place(wave, self._tone(rng, length), repeat * length)
        return wave

    def _tone(self, rng: Generator, samples: int) -> Wave:
        time = times(samples)
        carrier = vary(rng, self.carrier, 0.03) * np.exp(self.glide * time)
        carrier = np.clip(carrier, 60, 7000)
        envelope = strike(samples, 0.004, vary(rng, self.decay, 0.15))
        modulation = vary(rng, self.index, 0.1) * envelope * oscillate(carrier * self.ratio)
        return np.asarray(np.sin(2 * np.pi * np.cumsum(carrier) / RATE + modulation) * envelope)


@dataclass(frozen=True)
class Engine:
    """A motor: many harmonics of a low, unsteady fundamental through a box."""

    fundamental: float
    box: tuple[float, ...]
    tilt: float
    unsteady: float
    acceleration: float
    hiss: float

    @classmethod
    def draw(cls, rng: Generator) -> Engine:
        """Draws a motor."""
        return cls(
            fundamental=log_uniform(rng, 25, 220),
            box=tuple(log_uniform(rng, 100, 4000) for _ in range(3)),
            tilt=rng.uniform(0.3, 1.2),
            unsteady=log_uniform(rng, 0.002, 0.06),
            acceleration=rng.choice([0.0, 0.0, 0.4, -0.4]),
            hiss=log_uniform(rng, 0.03, 0.8),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders the motor running."""
        course = self.acceleration * times(samples) + self.unsteady * wander(rng, samples, 6.0)
        pitch = vary(rng, self.fundamental, 0.05) * np.exp(course)
        number = np.arange(1, 61)
        gains = number**-self.tilt * (0.1 + self._box(number * self.fundamental))
        hiss = noise(rng, samples, 0.1 + self._box(noise_bins()))
        return harmonics(pitch, gains * rng.uniform(0.6, 1.0, 60)) + self.hiss * hiss

    def _box(self, hertz: Wave) -> Wave:
        return np.asarray(sum(bump(hertz, resonance, 0.4) for resonance in self.box))


@dataclass(frozen=True)
class Chirps:
    """A bird or an insect: repeats the same syllable."""

    pitch: float
    contour: tuple[float, ...]
    syllable: float
    pause: float
    overtone: float
    trill: float

    @classmethod
    def draw(cls, rng: Generator) -> Chirps:
        """Draws a bird or an insect."""
        return cls(
            pitch=log_uniform(rng, 900, 5000),
            contour=tuple(rng.uniform(-0.5, 0.5, 4).tolist()),
            syllable=log_uniform(rng, 0.03, 0.35),
            pause=log_uniform(rng, 0.02, 0.35),
            overtone=rng.uniform(0.0, 0.5),
            trill=float(rng.choice([0.0, 0.0, 25.0, 45.0])),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders syllables for the length of the clip."""
        wave = np.zeros(samples)
        start = min(seconds_to_samples(rng.uniform(0, self.pause)), samples // 4)
        pitch = vary(rng, self.pitch, 0.03)
        while start < samples:
            length = seconds_to_samples(vary(rng, self.syllable, 0.08)) + 2
            place(wave, self._syllable(pitch, length) * vary(rng, 1.0, 0.2), start)
            start += length + seconds_to_samples(vary(rng, self.pause, 0.15))
        return wave

    def _syllable(self, pitch: float, length: int) -> Wave:
        octaves = np.interp(np.linspace(0, 3, length), np.arange(4), self.contour)
        path = np.minimum(pitch * 2.0**octaves, 7500)
        trill = 0.6 + 0.4 * np.sin(2 * np.pi * self.trill * times(length))
        tone = oscillate(path) + self.overtone * oscillate(np.minimum(2 * path, 7800))
        return np.asarray(tone * trill * swell(length, 0.4))


@dataclass(frozen=True)
class Siren:
    """A tone that rises and falls repeatedly: sirens, alarms, lasers."""

    low: float
    high: float
    rate: float
    shape: float
    tilt: float

    @classmethod
    def draw(cls, rng: Generator) -> Siren:
        """Draws an alarm."""
        low = log_uniform(rng, 200, 2500)
        return cls(
            low=low,
            high=min(6500.0, low * rng.uniform(1.15, 4.0)),
            rate=log_uniform(rng, 0.6, 14.0),
            shape=rng.uniform(0.02, 0.98),
            tilt=rng.uniform(0.6, 3.0),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders the tone from a random point of its cycle."""
        turns = vary(rng, self.rate, 0.05) * times(samples) + rng.uniform()
        cycle = turns % 1.0
        position = np.where(cycle < self.shape, cycle / self.shape, (1 - cycle) / (1 - self.shape))
        path = self.low * (self.high / self.low) ** position * vary(rng, 1.0, 0.02)
        return harmonics(path, np.arange(1, 11) ** -self.tilt)


_VOWELS = np.array(
    [[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410]]
)
"""Mean formants of five vowels, Hz (Peterson and Barney, 1952)."""


@dataclass(frozen=True)
class Voice:
    """A made-up speaker: pitch, length of the vocal tract, tilt, breath and pace."""

    pitch: float
    tract: float
    tilt: float
    breath: float
    pace: float
    melody: float

    @classmethod
    def draw(cls, rng: Generator) -> Voice:
        """Draws a speaker."""
        return cls(
            pitch=log_uniform(rng, 80, 300),
            tract=rng.uniform(0.8, 1.3),
            tilt=rng.uniform(0.6, 1.6),
            breath=log_uniform(rng, 0.02, 0.5),
            pace=rng.uniform(2.5, 6.0),
            melody=rng.uniform(0.03, 0.2),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders random vowels."""
        pitch = self.pitch * np.exp(self.melody * wander(rng, samples, 1.5))
        buzz = harmonics(pitch, np.arange(1, 61) ** -self.tilt)
        rough = buzz + self.breath * noise(rng, samples, np.ones(len(noise_bins())))
        loudness = np.clip(0.6 + 0.6 * wander(rng, samples, self.pace), 0.0, 1.5)
        return np.asarray(self._mouth(rng, rough) * loudness)

    def _mouth(self, rng: Generator, source: Wave) -> Wave:
        """Filters the source frame by frame with gliding formants."""
        frames = noise_frames(len(source))
        count = max(3, int(len(source) / RATE * self.pace) + 2)
        targets = _VOWELS[rng.integers(0, len(_VOWELS), count)] * self.tract
        where = np.linspace(0, count - 1, frames)
        tracks = [np.interp(where, np.arange(count), column) for column in targets.T]
        gains = 0.02 + sum(
            bump(noise_bins(), track[:, None], 0.12) / (order + 1.0)
            for order, track in enumerate(tracks)
        )
        return _filtered(source, np.asarray(gains))


def _filtered(source: Wave, gains: Wave) -> Wave:
    """Applies gains over time and frequency, shaped as for `noise`, by overlap and add."""
    size = 2 * (gains.shape[1] - 1)
    hop = size // 2
    padded = np.pad(source, (hop, (gains.shape[0] + 1) * hop - hop - len(source) + hop))
    starts = np.arange(gains.shape[0]) * hop
    window = np.sin(np.pi * np.arange(size) / size)
    pieces = padded[starts[:, None] + np.arange(size)] * window
    pieces = np.fft.irfft(np.fft.rfft(pieces, axis=1) * gains, axis=1) * window
    wave = np.zeros((gains.shape[0] + 1) * hop)
    wave[:-hop] += pieces[:, :hop].ravel()
    wave[hop:] += pieces[:, hop:].ravel()
    return wave[hop : hop + len(source)]
