"""Which clips a calibration is fitted from: whole speakers, in bounded memory."""

from __future__ import annotations

import hashlib
import random
from typing import NamedTuple

from audiosearch.catalog.v1.clip_pb2 import Clip

from gateway.names import split_clip, split_speaker

TESTED = 20
"""Clips of a speaker that are kept beside those of its voiceprint."""


class LabelledClip(NamedTuple):
    """A clip whose speaker is known."""

    id: str
    speaker: str


class Labelled:
    """Chooses clips while they are listed.

    A random part of the clips would leave a large library with one clip of each speaker, which
    makes no trials. So speakers are chosen, by a hash of their name, and of each a few clips
    (Vitter's algorithm R). Whenever there are too many, every second speaker goes.
    """

    def __init__(self, most: int, enrollments: int, seed: int) -> None:
        """Keeps at most `most` clips of speakers who are enrolled with `enrollments` clips."""
        self._most = most
        self._each = min(2 * enrollments + TESTED, max(most // 2, 2))
        self._seed = seed
        # No secrets: the same seed has to choose the same clips.
        self._random = random.Random(seed)  # noqa: S311
        self._kept: dict[str, list[str]] = {}
        self._met: dict[str, int] = {}
        self._count = 0
        self._halvings = 0

    def add(self, clip: Clip) -> None:
        """Takes a clip into account; one without a speaker is passed over."""
        speaker = speaker_of(clip)
        if not speaker or not self._chosen(speaker):
            return
        _, clip_id = split_clip(clip.name)
        kept = self._kept.setdefault(speaker, [])
        met = self._met[speaker] = self._met.get(speaker, 0) + 1
        if len(kept) < self._each:
            kept.append(clip_id)
            self._count += 1
        elif (place := self._random.randrange(met)) < self._each:
            kept[place] = clip_id
        while self._count > self._most and len(self._kept) > 2:
            self._halve()

    def clips(self) -> list[LabelledClip]:
        """Those that were chosen, speaker by speaker."""
        return [
            LabelledClip(clip_id, speaker)
            for speaker in sorted(self._kept)
            for clip_id in self._kept[speaker]
        ]

    def _chosen(self, speaker: str) -> bool:
        """Whether a speaker is of the part that is kept: each halving keeps half of the hashes."""
        digest = hashlib.sha256(f"{self._seed}:{speaker}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % (1 << self._halvings) == 0

    def _halve(self) -> None:
        before = self._halvings
        self._halvings += 1
        stay = {speaker for speaker in self._kept if self._chosen(speaker)}
        if len(stay) < 2:  # so few speakers that the part must not be halved: keep the first ones
            self._halvings = before
            stay = set(sorted(self._kept)[: max(2, len(self._kept) // 2)])
        for speaker in self._kept.keys() - stay:
            self._count -= len(self._kept.pop(speaker))
            del self._met[speaker]


def speaker_of(clip: Clip) -> str:
    """Whose voice a clip is: the id of who is enrolled with it, or else what it says itself."""
    if clip.enrolled_speaker:
        return split_speaker(clip.enrolled_speaker)[1]
    return clip.speaker
