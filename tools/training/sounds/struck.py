"""Families of struck and plucked things: impacts, bells, blades, clatter, strings, bubbles."""

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
    oscillate,
    place,
    ring,
    seconds_to_samples,
    strike,
    times,
    vary,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from tools.training.sounds.waves import Wave


@dataclass(frozen=True)
class Impact:
    """One or a few blows on a body: wood, stone, plastic, metal by pitch, modes and damping."""

    pitch: float
    ratios: tuple[float, ...]
    decay: float
    damping: float
    click: float
    click_hertz: float
    blows: int

    @classmethod
    def draw(cls, rng: Generator) -> Impact:
        """Draws a body."""
        steps = rng.uniform(0.15, 0.9, rng.integers(5, 18))
        return cls(
            pitch=log_uniform(rng, 90, 1800),
            ratios=(1.0, *(1.0 + np.cumsum(steps)).tolist()),
            decay=log_uniform(rng, 0.02, 0.5),
            damping=rng.uniform(0.0, 1.2),
            click=log_uniform(rng, 0.05, 1.5),
            click_hertz=log_uniform(rng, 500, 6000),
            blows=int(rng.integers(1, 4)),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders the blows, each at another spot, with other force and pauses."""
        wave = np.zeros(samples)
        start = int(rng.uniform(0, 0.1) * samples)
        for _ in range(self.blows):
            place(wave, self._blow(rng, samples) * vary(rng, 1.0, 0.3), start)
            start += seconds_to_samples(rng.uniform(0.12, 0.5))
        return wave

    def _blow(self, rng: Generator, samples: int) -> Wave:
        ratios = np.array(self.ratios)
        frequencies = vary(rng, self.pitch, 0.02) * ratios
        decays = vary(rng, self.decay, 0.15) * ratios**-self.damping
        gains = rng.uniform(0.3, 1.0, len(ratios)) * ratios**-0.5
        colour = bump(noise_bins(), self.click_hertz, 1.0)
        click = noise(rng, samples, colour) * strike(samples, 0.001, 0.008)
        return ring(samples, frequencies, decays, gains) + self.click * click


@dataclass(frozen=True)
class Bell:
    """A bell or a blade that rings long: few strong modes, each a slightly split pair."""

    pitch: float
    ratios: tuple[float, ...]
    decay: float
    split: float
    attack: float

    @classmethod
    def draw(cls, rng: Generator) -> Bell:
        """Draws a bell."""
        ratios = np.sort(rng.uniform(1.1, 7.5, rng.integers(3, 8)))
        return cls(
            pitch=log_uniform(rng, 200, 2200),
            ratios=(1.0, *ratios.tolist()),
            decay=log_uniform(rng, 0.4, 2.5),
            split=log_uniform(rng, 0.5, 12.0),
            attack=log_uniform(rng, 0.0005, 0.02),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders one stroke."""
        ratios = np.array(self.ratios)
        frequencies = vary(rng, self.pitch, 0.01) * ratios
        decays = vary(rng, self.decay, 0.15) / ratios**0.7
        gains = rng.uniform(0.3, 1.0, len(ratios)) / ratios**0.3
        wave = ring(samples, frequencies, decays, gains)
        wave += ring(samples, frequencies + vary(rng, self.split, 0.1), decays, 0.7 * gains)
        wave *= np.minimum(times(samples) / vary(rng, self.attack, 0.2), 1.0)
        return wave


@dataclass(frozen=True)
class Clatter:
    """Many small impacts: keys, dice, a chain, rain on a roof."""

    rate: float
    low: float
    high: float
    decay: float
    fading: float

    @classmethod
    def draw(cls, rng: Generator) -> Clatter:
        """Draws a kind of clatter."""
        low = log_uniform(rng, 300, 4000)
        return cls(
            rate=log_uniform(rng, 6, 60),
            low=low,
            high=min(7500.0, low * rng.uniform(1.3, 3.0)),
            decay=log_uniform(rng, 0.004, 0.08),
            fading=rng.uniform(0.0, 3.0),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders impacts at random moments."""
        wave = np.zeros(samples)
        seconds = samples / RATE
        for moment in rng.uniform(0, seconds, 1 + rng.poisson(self.rate * seconds)):
            frequencies = rng.uniform(self.low, self.high, 3)
            decays = np.full(3, vary(rng, self.decay, 0.3))
            gains = rng.exponential(1.0, 3) * np.exp(-self.fading * moment)
            length = seconds_to_samples(7 * decays[0])
            place(wave, ring(length, frequencies, decays, gains), seconds_to_samples(moment))
        return wave


@dataclass(frozen=True)
class Bubbles:
    """Water: short sines that rise as they fade, at random moments."""

    rate: float
    pitch: float
    octaves: float
    decay: float
    rise: float

    @classmethod
    def draw(cls, rng: Generator) -> Bubbles:
        """Draws a kind of water."""
        return cls(
            rate=log_uniform(rng, 5, 50),
            pitch=log_uniform(rng, 250, 2500),
            octaves=rng.uniform(0.15, 0.8),
            decay=log_uniform(rng, 0.01, 0.06),
            rise=rng.uniform(-1.0, 4.0),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders bubbles at random moments."""
        wave = np.zeros(samples)
        seconds = samples / RATE
        for moment in rng.uniform(0, seconds, 1 + rng.poisson(self.rate * seconds)):
            decay = vary(rng, self.decay, 0.3)
            length = seconds_to_samples(6 * decay)
            pitch = self.pitch * 2.0 ** (self.octaves * rng.standard_normal())
            path = np.clip(pitch * np.exp(self.rise * times(length)), 50, 7500)
            part = oscillate(path) * strike(length, 0.002, decay) * rng.exponential(1.0)
            place(wave, part, seconds_to_samples(moment))
        return wave


@dataclass(frozen=True)
class Pluck:
    """A plucked string or a mallet: harmonics that fade the faster the higher they are."""

    pitch: float
    brightness: float
    decay: float
    damping: float
    even: float
    notes: int

    @classmethod
    def draw(cls, rng: Generator) -> Pluck:
        """Draws an instrument and its register."""
        return cls(
            pitch=log_uniform(rng, 80, 900),
            brightness=rng.uniform(0.4, 2.0),
            decay=log_uniform(rng, 0.1, 1.2),
            damping=rng.uniform(0.2, 1.2),
            even=rng.uniform(0.1, 1.0),
            notes=int(rng.integers(1, 5)),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders notes near its register."""
        wave = np.zeros(samples)
        start = int(rng.uniform(0, 0.05) * samples)
        for _ in range(self.notes):
            place(wave, self._note(rng, samples), start)
            start += seconds_to_samples(rng.uniform(0.15, 0.5))
        return wave

    def _note(self, rng: Generator, samples: int) -> Wave:
        number = np.arange(1, 25)
        pitch = self.pitch * 2.0 ** (rng.integers(-3, 4) / 12)
        gains = number**-self.brightness * np.where(number % 2, 1.0, self.even)
        decays = vary(rng, self.decay, 0.2) * number**-self.damping
        return ring(samples, pitch * number, decays, gains * rng.uniform(0.7, 1.0, 24))


@dataclass(frozen=True)
class Horn:
    """A blown tone: steady harmonics with a slow start, vibrato and some breath."""

    pitch: float
    tilt: float
    formant: float
    attack: float
    vibrato: float
    breath: float

    @classmethod
    def draw(cls, rng: Generator) -> Horn:
        """Draws an instrument and its register."""
        return cls(
            pitch=log_uniform(rng, 90, 900),
            tilt=rng.uniform(0.3, 1.5),
            formant=log_uniform(rng, 400, 3500),
            attack=log_uniform(rng, 0.01, 0.2),
            vibrato=rng.uniform(0.0, 0.02),
            breath=log_uniform(rng, 0.01, 0.3),
        )

    def render(self, rng: Generator, samples: int) -> Wave:
        """Renders one tone."""
        time = times(samples)
        pitch = self.pitch * 2.0 ** (rng.integers(-3, 4) / 12)
        swing = np.sin(2 * np.pi * vary(rng, 5.5, 0.1) * time + rng.uniform(0, 6))
        number = np.arange(1, 31)
        gains = number**-self.tilt * (0.15 + bump(pitch * number, self.formant, 0.6))
        wave = harmonics(pitch * (1 + self.vibrato * swing), gains)
        wave += self.breath * noise(rng, samples, bump(noise_bins(), self.formant, 1.0))
        return np.asarray(wave * np.minimum(time / vary(rng, self.attack, 0.3), 1.0))
