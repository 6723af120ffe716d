"""Audio files that are not as they should be."""

from __future__ import annotations

import random

from tests.fuzz import sounds
from tests.fuzz.mutations import HEAD, mutate


def bad_audio(draw: random.Random) -> tuple[str, bytes]:
    """A file that is not as it should be, and the words for it."""
    kind = draw.random()
    if kind < 0.05:
        name = draw.choice([*sounds.BOMBS])
        return f"bomb, {name}", sounds.bomb(name)
    name = draw.choice(sounds.NAMES)
    data = sounds.good(name)
    if kind < 0.15:
        other = draw.choice(sounds.NAMES)
        size = draw.choice((4, 12, 44, HEAD))
        return f"{name} with the head of {other}", sounds.good(other)[:size] + data[size:]
    if kind < 0.2:
        return f"{name} as it is", data
    way, changed = mutate(draw, data)
    return f"{name}, {way}", changed
