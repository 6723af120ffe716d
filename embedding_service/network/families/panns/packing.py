"""Packs clips of nearly one length into a batch, each filled up with zeros.

The length of a batch is rounded up to one of a few, and clips come together in few numbers, because
an engine prepares for each new shape, which takes as long as some runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MOST_FRAMES = 1024
"""Most frames of several clips together: about 10 s of audio."""

_COUNTS = (4, 2, 1)
"""Clips of a batch: other numbers are cut into these."""

_LEAST_STEP = 8
_STEPS_AN_OCTAVE = 16


class Batch(NamedTuple):
    """The inputs of a graph.

    Attributes:
        features: Shape (clips, 1, bands, frames), float32; zero after the end of a clip.
        absent: 1 at a frame after the end of its clip, else 0, shape (clips, 1, 1, frames),
            float32.
    """

    features: NDArray[np.float32]
    absent: NDArray[np.float32]


class Batches:
    """Packs clips whose rounded lengths are equal."""

    def groups(self, lengths: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yields the numbers of the clips of each batch."""
        alike: dict[int, list[int]] = {}
        for number, length in enumerate(lengths):
            alike.setdefault(rounded_up(length), []).append(number)
        for length, numbers in alike.items():
            while numbers:
                fit = next(count for count in _COUNTS if _fits(count, len(numbers), length))
                yield numbers[:fit]
                del numbers[:fit]

    def inputs(self, clips: Sequence[NDArray[np.float32]]) -> Batch:
        """Packs the clips of one batch, each of shape (bands, frames)."""
        bands = clips[0].shape[0]
        frames = rounded_up(max(clip.shape[1] for clip in clips))
        batch = Batch(
            np.zeros((len(clips), 1, bands, frames), np.float32),
            np.ones((len(clips), 1, 1, frames), np.float32),
        )
        for number, clip in enumerate(clips):
            batch.features[number, 0, :, : clip.shape[1]] = clip
            batch.absent[number, 0, 0, : clip.shape[1]] = 0
        return batch


def _fits(count: int, there: int, length: int) -> bool:
    return count == 1 or (count <= there and count * length <= MOST_FRAMES)


def rounded_up(frames: int) -> int:
    """Returns the length of the batch for a clip: one more than a multiple of a step.

    A window of 2 s, 201 frames, has such a length. The step grows with the length.
    """
    octave: int = 2 ** ((frames - 1).bit_length() - 1)
    step = max(_LEAST_STEP, octave // _STEPS_AN_OCTAVE)
    return -(-(frames - 1) // step) * step + 1
