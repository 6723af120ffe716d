"""The choice of clips of a library for an evaluation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable

from audiosearch.catalog.v1.clip_pb2 import Clip

from serving.errors import Reason, ServiceError


def choose(
    clips: Iterable[Clip], key: Callable[[Clip], str], most: int, seed: int
) -> tuple[list[Clip], int]:
    """Up to `most` clips with a `key`, chosen at random, and the number of all clips with one.

    Memory is bounded by `most` clips (Vitter's algorithm R).
    """
    # No secrets: the same seed has to choose the same clips.
    source = random.Random(seed)  # noqa: S311
    chosen: list[Clip] = []
    met = 0
    for clip in clips:
        if not key(clip):
            continue
        met += 1
        if len(chosen) < most:
            chosen.append(clip)
        elif (place := source.randrange(met)) < most:
            chosen[place] = clip
    return chosen, met


def check_kinds(values: Iterable[str], what: str, library: str) -> None:
    """Raises STATE_CONFLICT unless there are clips of two kinds, and two clips of one kind."""
    counts = Counter(values)
    if len(counts) < 2:
        only = f"only one {what}, {next(iter(counts))}" if counts else f"no clip with a {what}"
        raise ServiceError(
            Reason.STATE_CONFLICT,
            f"{library} has {only}: to tell apart needs clips of two or more; import them with "
            "--layout or --manifest",
        )
    if max(counts.values()) < 2:
        raise ServiceError(
            Reason.STATE_CONFLICT,
            f"no two clips of {library} have the same {what}: to find alike needs two or more",
        )
