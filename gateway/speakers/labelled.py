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
    makes no trials. So when there are too many, fewer of each speaker are kept (Vitter's algorithm
    R), but enough for trials; after that fewer speakers, by a hash of their name.
    """

    def __init__(self, most: int, enrollments: int, seed: int) -> None:
        """Keeps at most `most` clips of speakers who are enrolled with `enrollments` clips."""
        self._most = most
        self._each = max(most // 2, 2)
        self._enough = min(2 * enrollments + TESTED, self._each)
        self._seed = seed
        # No secrets: the same seed has to choose the same clips.
        self._random = random.Random(seed)  # noqa: S311
        self._kept: dict[str, list[str]] = {}
        self._met: dict[str, int] = {}
        self._enrolled_as: dict[str, str] = {}
        self._count = 0
        self._highest = b"\xff" * 32

    def add(self, clip: Clip) -> None:
        """Takes a clip into account; one without a speaker is passed over."""
        enrolled_as = split_speaker(clip.enrolled_speaker)[1] if clip.enrolled_speaker else ""
        speaker = clip.speaker or enrolled_as
        if not speaker or self._hash(speaker) > self._highest:
            return
        if enrolled_as:
            self._enrolled_as[speaker] = enrolled_as
        _, clip_id = split_clip(clip.name)
        kept = self._kept.setdefault(speaker, [])
        met = self._met[speaker] = self._met.get(speaker, 0) + 1
        if len(kept) < self._each:
            kept.append(clip_id)
            self._count += 1
        elif (place := self._random.randrange(met)) < self._each:
            kept[place] = clip_id
        while self._count > self._most:
            if self._each > self._enough:
                self._keep_fewer_clips()
            else:
                self._keep_fewer_speakers()

    def clips(self) -> list[LabelledClip]:
        """Those that were chosen, speaker by speaker.

        Who is enrolled with one of the clips that name a speaker has all of these clips: so they
        are known as its own when its scores are normalised, also where it has another name.
        """
        return [
            LabelledClip(clip_id, self._enrolled_as.get(speaker, speaker))
            for speaker in sorted(self._kept)
            for clip_id in self._kept[speaker]
        ]

    def _keep_fewer_clips(self) -> None:
        self._each = max(self._each // 2, self._enough)
        for speaker, kept in self._kept.items():
            if len(kept) > self._each:
                self._kept[speaker] = self._random.sample(kept, self._each)
        self._count = sum(map(len, self._kept.values()))

    def _keep_fewer_speakers(self) -> None:
        """Keeps half of them, and of those to come as large a part; two at least."""
        ordered = sorted(self._kept, key=self._hash)
        stay = max(2, len(ordered) // 2)
        self._highest = self._hash(ordered[stay - 1])
        for speaker in ordered[stay:]:
            self._count -= len(self._kept.pop(speaker))
            del self._met[speaker]

    def _hash(self, speaker: str) -> bytes:
        return hashlib.sha256(f"{self._seed}:{speaker}".encode()).digest()
