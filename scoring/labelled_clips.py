"""The choice of clips that a calibration is fitted to: whole speakers, in bounded memory."""

from __future__ import annotations

import hashlib
import random
from typing import NamedTuple

from audiosearch.catalog.v1.clip_pb2 import Clip

from serving.names import split_clip, split_speaker

TESTED = 20
"""Clips of a speaker that are kept in addition to those of its voiceprint."""


class LabelledClip(NamedTuple):
    """A clip whose speaker is known."""

    id: str
    speaker: str


class _Kept(NamedTuple):
    """A clip that is kept for now."""

    id: str
    enrolled_as: str
    """Id of the speaker whose enrollment it is; empty if it is none."""


class Labelled:
    """Chooses clips while they are listed.

    A plain random sample of a large library would hold one clip of most speakers, and one clip
    makes no trial. So when there are too many clips, first fewer of each speaker are kept (Vitter's
    algorithm R), but enough for trials. After that fewer speakers are kept, by a hash of their
    name.
    """

    def __init__(self, most: int, enrollments: int, seed: int) -> None:
        """Keeps at most `most` clips, for voiceprints of `enrollments` clips."""
        self._most = most
        self._each = max(most // 2, 2)
        self._enough = min(2 * enrollments + TESTED, self._each)
        self._seed = seed
        # No secrets: the same seed has to choose the same clips.
        self._random = random.Random(seed)  # noqa: S311
        self._kept: dict[str, list[_Kept]] = {}
        self._met: dict[str, int] = {}
        self._meant: dict[str, str] = {}
        self._count = 0
        self._highest = b"\xff" * 32

    def add(self, clip: Clip) -> None:
        """Considers a clip. A clip without a known speaker is ignored."""
        enrolled_as = split_speaker(clip.enrolled_speaker)[1] if clip.enrolled_speaker else ""
        name = clip.speaker or enrolled_as
        if enrolled_as:
            for each in {name, enrolled_as}:
                self._learn(each, enrolled_as)
        if not name or self._hash(name) > self._highest:
            return
        _, clip_id = split_clip(clip.name)
        kept = self._kept.setdefault(name, [])
        met = self._met[name] = self._met.get(name, 0) + 1
        if len(kept) < self._each:
            kept.append(_Kept(clip_id, enrolled_as))
            self._count += 1
        elif (place := self._random.randrange(met)) < self._each:
            kept[place] = _Kept(clip_id, enrolled_as)
        while self._count > self._most:
            if self._each > self._enough:
                self._keep_fewer_clips()
            else:
                self._keep_fewer_speakers()

    def clips(self) -> list[LabelledClip]:
        """The chosen clips, name by name.

        A clip that is an enrollment belongs to the enrolled speaker. If all enrolled clips of a
        name belong to one speaker, the other clips of that name belong to it too, so that they
        count as its own when its scores are normalised. A name that is left from an earlier
        enrollment merges no speakers.
        """
        return [
            LabelledClip(each.id, each.enrolled_as or self._meant.get(name) or name)
            for name in sorted(self._kept)
            for each in self._kept[name]
        ]

    def _learn(self, name: str, speaker: str) -> None:
        """Notes the speaker that a name means: none if several are enrolled under it."""
        if self._hash(name) <= self._highest:
            self._meant[name] = speaker if self._meant.get(name, speaker) == speaker else ""

    def _keep_fewer_clips(self) -> None:
        self._each = max(self._each // 2, self._enough)
        for name, kept in self._kept.items():
            if len(kept) > self._each:
                self._kept[name] = self._random.sample(kept, self._each)
        self._count = sum(map(len, self._kept.values()))

    def _keep_fewer_speakers(self) -> None:
        """Halves the share of speakers that are kept, now and from here on; keeps at least two."""
        ordered = sorted(self._kept, key=self._hash)
        stay = max(2, len(ordered) // 2)
        self._highest = self._hash(ordered[stay - 1])
        for name in ordered[stay:]:
            self._count -= len(self._kept.pop(name))
            del self._met[name]
        for name in [each for each in self._meant if self._hash(each) > self._highest]:
            del self._meant[name]

    def _hash(self, name: str) -> bytes:
        return hashlib.sha256(f"{self._seed}:{name}".encode()).digest()
