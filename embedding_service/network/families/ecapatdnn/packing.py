"""Packs clips of different lengths on one time axis, so that one run embeds them all.

Each clip has a margin on both sides. A convolution that reaches beyond the end of a clip must read
the clip reflected there, so each place of a margin names the frame that it stands for. The length
of the axis is rounded up to one of a few lengths, because an engine needs some 20 ms to prepare for
each new length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MOST_PLACES = 1024
"""Most places of several clips together: about 10 s of audio, which fill a processor's caches."""

MOST_CLIPS = 16
_ROWS = (1, 4, MOST_CLIPS)
_STEP, _LONG_STEP = 64, 256


class Pack(NamedTuple):
    """The inputs of a graph.

    Attributes:
        features: Shape (places, bands), float32; zero at places without a frame.
        sources: The place whose frame is read at each place, shape (places,), int32.
        owners: The number of the clip of each place, shape (places,), int32.
        members: 1 if a place is a frame of the row's clip, shape (rows, places), float32; rows
            beyond the clips are zero.
    """

    features: NDArray[np.float32]
    sources: NDArray[np.int32]
    owners: NDArray[np.int32]
    members: NDArray[np.float32]


@dataclass(frozen=True)
class TimeAxis:
    """Packs clips one after the other; layers reach `margin` frames beyond a clip's ends."""

    margin: int

    def groups(self, lengths: Sequence[int]) -> Iterator[range]:
        """Yields the numbers of the clips that are packed together."""
        return groups(lengths, self.margin)

    def inputs(self, clips: Sequence[NDArray[np.float32]]) -> Pack:
        """Packs the clips of one group."""
        return pack(clips, self.margin)


def pack(clips: Sequence[NDArray[np.float32]], margin: int) -> Pack:
    """Packs clips.

    Args:
        clips: Features, each of shape (bands, frames), at most MOST_CLIPS.
        margin: Frames that a layer may reach beyond a clip's end.
    """
    count = _rounded_up(sum(places(clip.shape[1], margin) for clip in clips))
    rows = next(rows for rows in _ROWS if rows >= len(clips))
    packed = Pack(
        np.zeros((count, clips[0].shape[0]), np.float32),
        np.zeros(count, np.int32),
        np.zeros(count, np.int32),
        np.zeros((rows, count), np.float32),
    )
    start = 0
    for number, clip in enumerate(clips):
        end = start + places(clip.shape[1], margin)
        frames = slice(start + margin, end - margin)
        packed.features[frames] = clip.T
        packed.sources[start:end] = frames.start + _reflected(clip.shape[1], margin)
        packed.owners[start:end] = number
        packed.members[number, frames] = 1
        start = end
    return packed


def groups(lengths: Sequence[int], margin: int) -> Iterator[range]:
    """Cuts a sequence of clips into groups, each to be packed together; keeps the order.

    Args:
        lengths: Frames of each clip.
        margin: Frames that a layer may reach beyond a clip's end.

    Yields:
        The numbers of the clips of a group.
    """
    start = taken = 0
    for index, frames in enumerate(lengths):
        taken += places(frames, margin)
        if index > start and (taken > MOST_PLACES or index - start == MOST_CLIPS):
            yield range(start, index)
            start, taken = index, places(frames, margin)
    if lengths:
        yield range(start, len(lengths))


def places(frames: int, margin: int) -> int:
    """Returns the number of places of a clip with its margins."""
    return frames + 2 * margin


def _rounded_up(count: int) -> int:
    step = _STEP if count <= MOST_PLACES else _LONG_STEP
    return -(-count // step) * step


def _reflected(frames: int, margin: int) -> NDArray[np.int32]:
    """Returns the frame for each place of a clip and its margins, shape (frames + 2 margin,)."""
    place = np.abs(np.arange(-margin, frames + margin, dtype=np.int32))
    place = np.where(place >= frames, 2 * (frames - 1) - place, place)
    return np.clip(place, 0, frames - 1)
