"""Measures how often a search with a sound finds sounds of the same kind, made by somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.training.sounds_model.evaluation import Retrieval, retrieval
from tools.training.sounds_model.kinds import KINDS, kinds_of, series_of
from tools.training.sounds_model.sources import HELD_OUT, origin_of
from tools.training.sounds_model.unpacking import sound_files

KITS, SAMPLES = "hydrogen-drumkits", "sonic-pi-samples"

Embed = Callable[[Sequence[bytes]], NDArray[np.floating]]
"""Vectors of files, shape (files, dimension), of unit length; a row of NaN for each refused one."""


@dataclass(frozen=True)
class Collection:
    """Sounds that no training has heard, whose kinds are known by their names.

    Attributes:
        name: Name in the table.
        paths: Files, relative to the folder of unpacked packages.
        groups: Source of each: a sound is never found for another one of its source.
    """

    name: str
    paths: Sequence[str]
    groups: Sequence[str]


def collections(folder: Path) -> Iterator[Collection]:
    """Yields the held-out drum kits, samples and effects of games that are in the folder."""
    paths = [path for path in sound_files(folder) if origin_of(path) in HELD_OUT and kinds_of(path)]
    parts = {
        "drum kits": ([path for path in paths if path.startswith(f"{KITS}/")], origin_of),
        "samples": ([path for path in paths if path.startswith(f"{SAMPLES}/")], series_of),
        "games": (
            [path for path in paths if not path.startswith((f"{KITS}/", f"{SAMPLES}/"))],
            origin_of,
        ),
    }
    for name, (chosen, group) in parts.items():
        if chosen:
            yield Collection(name, chosen, [group(path) for path in chosen])


def search(embed: Embed, folder: Path, collection: Collection) -> Retrieval:
    """Searches with each sound among those of other sources. Refused ones are left out."""
    vectors = embed([(folder / path).read_bytes() for path in collection.paths])
    kept = np.flatnonzero(~np.isnan(vectors).any(axis=1))
    return retrieval(
        vectors[kept],
        _kinds([collection.paths[place] for place in kept]),
        [collection.groups[place] for place in kept],
    )


def by_chance(collection: Collection) -> Retrieval:
    """Searches with vectors that say nothing."""
    vectors = np.random.default_rng(0).standard_normal((len(collection.paths), 64))
    return retrieval(vectors, _kinds(collection.paths), collection.groups)


def _kinds(paths: Sequence[str]) -> NDArray[np.floating]:
    kinds = np.zeros((len(paths), len(KINDS)))
    for row, path in zip(kinds, paths, strict=True):
        row[kinds_of(path)] = 1
    return kinds
