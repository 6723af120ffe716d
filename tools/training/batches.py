"""Makes batches of training examples in background processes, each from its number alone."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from embedding_service.network.features import FeatureSettings, log_mel
from tools.training.augmentation import degrade
from tools.training.background import made_in_background
from tools.training.corpus import Corpus, Utterance, open_corpus
from tools.training.sounds.classes import SoundClass, draw_classes, render
from tools.training.teacher import DIMENSIONS, Lesson, taught
from tools.training.voices import ALTERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

FEATURES = FeatureSettings()
"""Settings of the features, equal in training and in the service."""

_NO_VECTOR = np.zeros(DIMENSIONS, np.float32)


@dataclass(frozen=True)
class BatchPlan:
    """All that a batch depends on, except its number.

    Attributes:
        seed: Start of every random choice.
        work: Folder with the prepared speech.
        speakers: Speakers to train on, in the order of their classes.
        voices: Voices of each speaker, each a class: as recorded, then altered.
        sounds_per_family: Classes of synthetic sound for each family.
        frames: Frames in a batch, all clips together.
        shortest: Frames of the shortest clips.
        longest: Frames of the longest clips.
        sound_share: Share of a batch's clips that are synthetic sounds.
        teacher: The teacher's file; None gives no vectors of a teacher.
    """

    seed: int
    work: Path
    speakers: tuple[str, ...]
    voices: int = len(ALTERATIONS)
    sounds_per_family: int = 6
    frames: int = 4800
    shortest: int = 30
    longest: int = 400
    sound_share: float = 0.13
    teacher: Path | None = None


@dataclass(frozen=True)
class Batch:
    """Clips of one length.

    Attributes:
        features: Log-mel features, shape (clips, bands, frames).
        labels: Class of each clip, shape (clips,).
        taught: The teacher's vector of each clip, clean, shape (clips, 256); zeros for none.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    taught: NDArray[np.float32]


class BatchMaker:
    """Makes any batch of a plan. The classes are the speakers in each voice, then the sounds.

    Attributes:
        corpus: The prepared speech.
        voices: The recordings of each class of voice.
        lesson: The teacher's vectors of them; None without a teacher.
    """

    def __init__(self, plan: BatchPlan) -> None:
        """Opens the prepared speech and draws the classes of sound."""
        self._plan = plan
        self.corpus: Corpus = open_corpus(plan.work)
        self.voices = self.corpus.by_class(plan.speakers, ALTERATIONS[: plan.voices])
        self._levels = {one: self._level(one) for voice in self.voices for one in voice}
        # A recorded voice is drawn twice as often as an altered one.
        weights = np.ones(len(self.voices))
        weights[: len(plan.speakers)] = 2.0
        self._odds = weights / weights.sum()
        self._sounds: list[SoundClass] = draw_classes(plan.sounds_per_family)
        self.lesson: Lesson | None = None
        if plan.teacher is not None:
            self.lesson = taught(plan.teacher, self.corpus, self.voices, plan.work)

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return len(self.voices) + len(self._sounds)

    def make(self, number: int) -> Batch:
        """Makes the batch of this number. The same number gives the same batch."""
        # The rounding of matrix products depends on the number of threads, which differs between
        # processes.
        with threadpool_limits(1, "blas"):
            return self._make(number)

    def _make(self, number: int) -> Batch:
        plan = self._plan
        rng = np.random.default_rng((plan.seed, number))
        frames = round(np.exp(rng.uniform(np.log(plan.shortest), np.log(plan.longest))))
        labels = self._draw_labels(rng, max(2, min(128, plan.frames // frames)))
        samples = (frames - 1) * FEATURES.hop_size
        clips = [self._clip(int(label), samples, rng) for label in labels]
        features = [
            _mask(log_mel(degrade(clip, rng, self._babble), FEATURES), rng) for clip, _ in clips
        ]
        return Batch(np.stack(features), labels, np.stack([vector for _, vector in clips]))

    def typical(self, clips: int) -> Iterator[Batch]:
        """Yields one clean clip of every class, in order, in batches of `clips` clips."""
        rng = np.random.default_rng(self._plan.seed)
        samples = (self._plan.longest - 1) * FEATURES.hop_size
        for first in range(0, self.class_count, clips):
            labels = np.arange(first, min(first + clips, self.class_count))
            made = [self._clip(int(label), samples, rng) for label in labels]
            features = [log_mel(clip, FEATURES) for clip, _ in made]
            yield Batch(np.stack(features), labels, np.stack([vector for _, vector in made]))

    def _draw_labels(self, rng: Generator, clips: int) -> NDArray[np.int64]:
        sounds = min(round(clips * self._plan.sound_share), len(self._sounds))
        voices = clips - sounds
        replace = voices > len(self.voices)
        voice = rng.choice(len(self.voices), voices, replace=replace, p=self._odds)
        sound = rng.choice(len(self._sounds), sounds, replace=False) + len(self.voices)
        return np.concatenate([voice, sound]).astype(np.int64)

    def _clip(self, label: int, samples: int, rng: Generator) -> tuple[Wave, Wave]:
        """Returns a clean clip, and the teacher's vector of it."""
        if label < len(self.voices):
            return self._speech(self.voices[label], samples, rng)
        return render(self._sounds[label - len(self.voices)], rng, samples), _NO_VECTOR

    def _speech(
        self, utterances: tuple[Utterance, ...], samples: int, rng: Generator
    ) -> tuple[Wave, Wave]:
        """Cuts a random part. Tries to avoid a part that is mostly a pause."""
        utterance = utterances[int(rng.integers(len(utterances)))]
        room = max(1, utterance.length - samples)
        for _ in range(4):
            start = int(rng.integers(room))
            part = self.corpus.read(utterance, start, samples)
            if _root_mean_square(part) > 0.4 * self._levels[utterance]:
                break
        vector = self.lesson.of(utterance, start, samples) if self.lesson else _NO_VECTOR
        return np.resize(part, samples), vector

    def _level(self, utterance: Utterance) -> float:
        return _root_mean_square(self.corpus.read(utterance))

    def _babble(self, rng: Generator, samples: int) -> Wave:
        """Returns several speakers talking at once, or a synthetic sound."""
        if rng.random() < 0.3:
            return render(self._sounds[int(rng.integers(len(self._sounds)))], rng, samples)
        crowd = rng.choice(len(self.voices), rng.integers(2, 7))
        return np.asarray(
            np.sum([self._speech(self.voices[one], samples, rng)[0] for one in crowd], axis=0)
        )


def _root_mean_square(wave: Wave) -> float:
    return float(np.sqrt(np.mean(np.square(wave))))


def _mask(bands: Wave, rng: Generator) -> Wave:
    """Blanks a few bands and frames of half of the clips (SpecAugment, Park et al. 2019)."""
    if rng.random() < 0.5:
        width = int(rng.integers(0, 11))
        start = int(rng.integers(0, bands.shape[0] - width))
        bands[start : start + width] = 0.0
        width = int(rng.integers(0, max(2, bands.shape[1] // 8)))
        start = int(rng.integers(0, bands.shape[1] - width))
        bands[:, start : start + width] = 0.0
    return bands


def batches_from(
    plan: BatchPlan, first: int, processes: int
) -> AbstractContextManager[Iterator[Batch]]:
    """Gives the batches `first`, `first + 1`, ... without end. Makes a limited number ahead.

    Args:
        plan: The plan of the batches.
        first: Number of the first batch.
        processes: Number of background processes; the batches do not depend on it.
    """
    return made_in_background(functools.partial(BatchMaker, plan), first, processes)
