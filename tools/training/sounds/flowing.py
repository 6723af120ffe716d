"""Families of moving air and rubbed surfaces: whooshes, scrapes, bursts, steady textures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.training.sounds.waves import (
    RATE,
    bump,
    log_uniform,
    noise,
    noise_bins,
    noise_frames,
    place,
    ring,
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
class Whoosh:
    """An object that flies past: a band of noise that rises, sweeps and falls."""

    centre: float
    sweep: float
    octaves: float
    peak: float
    seconds: float

    @classmethod
    def draw(cls, rng: Generator) -> Whoosh:
        """Draws an object that flies past."""
        return cls(
            centre=log_uniform(rng, 250, 4000),
            sweep=rng.uniform(-2.0, 2.0),
            octaves=log_uniform(rng, 0.15, 1.0),
            peak=rng.uniform(0.25, 0.75),
            seconds=log_uniform(rng, 0.15, 1.2),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders one pass at a random place in the clip."""
        length = min(samples, seconds_to_samples(vary(rng, self.seconds, 0.15)))
        position = np.linspace(-0.5, 0.5, noise_frames(length))[:, None]
        centre = vary(rng, self.centre, 0.06) * 2.0 ** (vary(rng, self.sweep, 0.1) * position)
        gains = bump(noise_bins(), centre, self.octaves)
        wave = np.zeros(samples)
        peak = float(np.clip(vary(rng, self.peak, 0.1), 0.1, 0.9))
        part = noise(rng, length, gains) * swell(length, peak)
        place(wave, part, int(rng.uniform(0, 0.6) * (samples - length)))
        return wave


@dataclass(frozen=True)
class Scrape:
    """One surface scraped over another: rough noise with resonances, ringing at the end."""

    resonances: tuple[float, ...]
    octaves: float
    roughness: float
    depth: float
    seconds: float
    ring: float
    tail: float

    @classmethod
    def draw(cls, rng: Generator) -> Scrape:
        """Draws a pair of surfaces."""
        return cls(
            resonances=tuple(log_uniform(rng, 300, 7000) for _ in range(rng.integers(2, 6))),
            octaves=log_uniform(rng, 0.03, 0.4),
            roughness=log_uniform(rng, 8, 120),
            depth=rng.uniform(0.2, 1.0),
            seconds=log_uniform(rng, 0.15, 1.5),
            ring=rng.choice([0.0, 0.0, 0.5, 1.5]),
            tail=log_uniform(rng, 0.1, 0.8),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders one scrape."""
        length = min(samples, seconds_to_samples(vary(rng, self.seconds, 0.15)))
        pitches = np.array(self.resonances) * vary(rng, 1.0, 0.03)
        gains = sum(bump(noise_bins(), pitch, self.octaves) for pitch in pitches) + 0.03
        grain = np.maximum(0.0, 1.0 + self.depth * wander(rng, length, self.roughness))
        part = noise(rng, length, np.asarray(gains)) * grain * swell(length, 0.4)
        wave = np.zeros(samples)
        start = int(rng.uniform(0, 0.3) * (samples - length))
        place(wave, part, start)
        place(wave, self._ringing(rng, samples, pitches), start + int(0.7 * length))
        return wave

    def _ringing(self, rng: Generator, samples: int, pitches: Wave) -> Wave:
        gains = self.ring * rng.uniform(0.3, 1.0, len(pitches))
        decays = np.full(len(pitches), vary(rng, self.tail, 0.15))
        return np.asarray(
            ring(samples, pitches, decays, gains) * np.minimum(times(samples) / 0.03, 1.0)
        )


@dataclass(frozen=True)
class Bursts:
    """A train of noise bursts: steps, a saw, clapping, a rattle, a machine."""

    rate: float
    regularity: float
    centre: float
    octaves: float
    decay: float
    attack: float

    @classmethod
    def draw(cls, rng: Generator) -> Bursts:
        """Draws a kind of burst and its rhythm."""
        return cls(
            rate=log_uniform(rng, 2, 30),
            regularity=rng.uniform(0.0, 0.4),
            centre=log_uniform(rng, 150, 5000),
            octaves=log_uniform(rng, 0.1, 1.3),
            decay=log_uniform(rng, 0.008, 0.15),
            attack=log_uniform(rng, 0.0005, 0.03),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders a train of bursts."""
        rate = vary(rng, self.rate, 0.06)
        gains = bump(noise_bins(), vary(rng, self.centre, 0.05), self.octaves)
        envelope = np.zeros(samples)
        moment = min(rng.uniform(0, 1) / rate, 0.3 * samples / RATE)
        while moment < samples / RATE:
            decay = vary(rng, self.decay, 0.1)
            part = strike(seconds_to_samples(7 * decay), self.attack, decay) * vary(rng, 1, 0.2)
            place(envelope, part, seconds_to_samples(moment))
            moment += max(0.01, vary(rng, 1.0 / rate, self.regularity))
        return noise(rng, samples, gains) * envelope


@dataclass(frozen=True)
class Texture:
    """A steady bed of noise: wind, surf, a fan, steam, a crowd of machines."""

    tilt: float
    peaks: tuple[float, ...]
    octaves: float
    strength: float
    motion: float
    depth: float

    @classmethod
    def draw(cls, rng: Generator) -> Texture:
        """Draws a kind of background."""
        return cls(
            tilt=rng.uniform(-0.3, 1.5),
            peaks=tuple(log_uniform(rng, 120, 6500) for _ in range(rng.integers(1, 5))),
            octaves=log_uniform(rng, 0.04, 0.5),
            strength=log_uniform(rng, 1.0, 20.0),
            motion=log_uniform(rng, 0.3, 12.0),
            depth=rng.uniform(0.0, 0.9),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders the background for the length of the clip."""
        hertz = noise_bins()
        shift = vary(rng, 1.0, 0.04)
        peaks = sum(bump(hertz, peak * shift, self.octaves) for peak in self.peaks)
        gains = (np.maximum(hertz, 60.0) / 1000.0) ** -self.tilt * (1.0 + self.strength * peaks)
        level = np.maximum(0.05, 1.0 + self.depth * wander(rng, samples, self.motion))
        return np.asarray(noise(rng, samples, np.asarray(gains)) * level)
