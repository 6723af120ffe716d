"""Clips stand side by side with what a network hears beyond their ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedding_service.network.families.ecapatdnn.packing import (
    MOST_CLIPS,
    MOST_PLACES,
    groups,
    pack,
    places,
)


def clip(frames: int, seed: int = 0) -> Any:
    """Features of 3 bands."""
    return np.random.default_rng(seed).standard_normal((3, frames)).astype(np.float32)


@pytest.mark.parametrize("margin", [0, 2, 4, 9])
def test_what_is_heard(margin: int) -> None:
    """Within its margins, each clip is heard reflected, as numpy pads it."""
    clips = [clip(frames, frames) for frames in (11, 40, 10, 25)]
    packed = pack(clips, margin)
    heard = packed.features[packed.sources]
    start = 0
    for number, one in enumerate(clips):
        here = slice(start, start + places(one.shape[1], margin))
        expected = np.pad(one, ((0, 0), (margin, margin)), mode="reflect")
        np.testing.assert_array_equal(heard[here].T, expected)
        np.testing.assert_array_equal(packed.features[packed.members[number] > 0].T, one)
        assert set(packed.owners[here]) == {number}
        start = here.stop
    assert packed.members.sum() == sum(one.shape[1] for one in clips)


def test_a_clip_shorter_than_the_margin() -> None:
    """It hears no frame that is not its own."""
    packed = pack([clip(2), clip(1)], margin=4)
    assert set(packed.sources[:10]) == {4, 5}
    assert set(packed.sources[10:19]) == {14}


def test_few_sizes() -> None:
    """Clips of up to a minute need only a few sizes of pack."""
    sizes = {pack([clip(frames)], 4).features.shape[0] for frames in range(10, 6001, 7)}
    assert len(sizes) <= 40
    assert {pack([clip(20)] * count, 4).members.shape[0] for count in range(1, 17)} == {1, 4, 16}


def test_groups() -> None:
    """Clips are grouped in order, each group within bounds, a long clip alone."""
    lengths = [500, 400, 200, 6001, 10, *[30] * 40, 1016, 1016]
    clips = [clip(length) for length in lengths]
    parts = [[clips[index] for index in part] for part in groups(lengths, 4)]
    assert [id(one) for part in parts for one in part] == [id(one) for one in clips]
    for part in parts:
        assert len(part) <= MOST_CLIPS
        assert len(part) == 1 or sum(places(one.shape[1], 4) for one in part) <= MOST_PLACES
    assert [len(part) for part in parts[:3]] == [2, 1, 1]
    assert list(groups([], 4)) == []
