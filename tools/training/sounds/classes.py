"""The classes of synthetic sound: fixed draws of each family, each rendered in many variants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tools.training.sounds.flowing import Bursts, Scrape, Texture, Whoosh
from tools.training.sounds.struck import Bell, Bubbles, Clatter, Horn, Impact, Pluck
from tools.training.sounds.tonal import Chirps, Engine, FmTone, Siren, Voice

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray


class SoundClass(Protocol):
    """A class of sound. Its parameters are fixed; each rendering differs."""

    @classmethod
    def draw(cls, rng: Generator) -> SoundClass:
        """Draws a class of the family."""
        ...

    def render(self, rng: Generator, samples: int) -> NDArray[np.floating[Any]]:
        """Returns a variant, shape (samples,), of any level."""
        ...


FAMILIES: tuple[type[SoundClass], ...] = (
    Impact,
    Bell,
    Clatter,
    Bubbles,
    Pluck,
    Horn,
    Whoosh,
    Scrape,
    Bursts,
    Texture,
    FmTone,
    Engine,
    Chirps,
    Siren,
    Voice,
)
"""All families. A class is one draw of a family."""

_SEED = 20211104
"""Seed of the classes. It is no option, so that class 5 is the same sound in every run."""

_UNSEEN_FROM = 1000
"""Number of the first draw that is never trained on."""


def draw_classes(per_family: int, *, unseen: bool = False) -> list[SoundClass]:
    """Returns the first classes of every family. Equal arguments give equal classes.

    Args:
        per_family: Number of classes of each family.
        unseen: True for classes that training never draws, to test with.
    """
    first = _UNSEEN_FROM if unseen else 0
    return [
        family.draw(np.random.default_rng((_SEED, number, first + draw)))
        for number, family in enumerate(FAMILIES)
        for draw in range(per_family)
    ]


def render(sound: SoundClass, rng: Generator, samples: int) -> NDArray[np.float32]:
    """Renders a variant at peak level 0.5 with a faint noise floor.

    Args:
        sound: The class.
        rng: Source of the random choices.
        samples: Length at 16 kHz.

    Returns:
        Mono samples, shape (samples,).
    """
    wave = sound.render(rng, samples)
    peak = np.abs(wave).max()
    if peak > 0:
        wave = wave * (0.5 / peak)
    floor = 10.0 ** (rng.uniform(-100.0, -50.0) / 20.0)
    return np.asarray(wave + floor * rng.standard_normal(samples), dtype=np.float32)
