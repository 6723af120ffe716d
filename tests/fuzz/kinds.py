"""The kinds of inputs, each with its share."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz import audio, forms, messages, rest, sockets
from tests.fuzz.outcomes import Input
from tests.fuzz.target import Target

Make = Callable[[random.Random, Target, str], Input]

KINDS: dict[str, Make] = {
    "audio": audio.make,
    "messages": messages.make,
    "rest": rest.make,
    "forms": forms.make,
    "sockets": sockets.make,
}
SHARES = {"audio": 20, "messages": 40, "rest": 20, "forms": 10, "sockets": 10}


def make(seed: int, index: int, target: Target, kinds: tuple[str, ...]) -> tuple[str, Input]:
    """The input of a seed and an index, and the name of its kind."""
    draw = random.Random(f"{seed}:{index}")
    (kind,) = draw.choices(kinds, [SHARES[name] for name in kinds])
    return kind, KINDS[kind](draw, target, f"fuzz-{seed}-{index}")
