"""Measures how well vectors separate speakers and sounds that were not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scoring.error_rates import equal_error_rate, error_rates
from tools.training.augmentation import add_noise, telephone, white_noise
from tools.training.corpus import RATE
from tools.training.sounds.classes import draw_classes, render
from tools.training.voices import AS_RECORDED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tools.training.corpus import Corpus

    Wave = NDArray[np.float32]
    Vectors = NDArray[np.floating]
    Embed = Callable[[Sequence[Wave]], Vectors]

_SEED = 7
_SOUND_SECONDS = 1.5
_SOUND_VARIANTS = 5
_TELEPHONE_SNR_DB = 15.0


@dataclass(frozen=True)
class LabelledClips:
    """Clips with labels.

    Attributes:
        clips: Mono samples at 16 kHz.
        labels: Shape (clips,); equal labels belong together.
    """

    clips: list[Wave]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Examination:
    """The clips to measure an embedding with.

    Attributes:
        speech: Cuts of held-out speakers as recorded.
        telephone: The same cuts in the telephone band, then with white noise at 15 dB.
        heard: New variants of the sounds trained on.
        unheard: Variants of sounds that training never draws.
    """

    speech: LabelledClips
    telephone: LabelledClips
    heard: LabelledClips
    unheard: LabelledClips


@dataclass(frozen=True)
class Figures:
    """Measured rates, 0 to 1.

    Attributes:
        clean_eer: Equal error rate, clean against clean.
        telephone_eer: Equal error rate, clean against telephone band with noise.
        heard_nearest: Share of sounds whose nearest other clip is of their class, for the classes
            trained on.
        unheard_nearest: The same share for classes that were not trained on.
    """

    clean_eer: float
    telephone_eer: float
    heard_nearest: float
    unheard_nearest: float

    def __str__(self) -> str:
        """Returns one line in percent."""
        return (
            f"EER clean {self.clean_eer:.1%}, telephone + 15 dB noise {self.telephone_eer:.1%}; "
            f"nearest sound right: {self.heard_nearest:.1%} of known classes, "
            f"{self.unheard_nearest:.1%} of new ones"
        )


def draw_examination(
    corpus: Corpus, speakers: Sequence[str], seconds: float, sounds_per_family: int
) -> Examination:
    """Chooses the clips of the examination. Equal arguments give equal clips.

    Args:
        corpus: Prepared speech.
        speakers: Speakers that are held out of the training.
        seconds: Length of the cuts of speech.
        sounds_per_family: Classes of synthetic sound trained on, for each family.
    """
    speech = cut(corpus, speakers, seconds)
    rng = np.random.default_rng(_SEED)
    degraded = [_over_telephone(clip, rng) for clip in speech.clips]
    return Examination(
        speech=speech,
        telephone=LabelledClips(degraded, speech.labels),
        heard=_sounds(sounds_per_family, unseen=False),
        unheard=_sounds(2, unseen=True),
    )


def cut(corpus: Corpus, speakers: Sequence[str], seconds: float) -> LabelledClips:
    """Cuts the speakers' recordings into pieces of equal length that do not overlap."""
    length = round(seconds * RATE)
    clips, labels = [], []
    for label, utterances in enumerate(corpus.by_class(speakers, (AS_RECORDED,))):
        for utterance in utterances:
            starts = range(0, utterance.length - length + 1, length)
            clips += [corpus.read(utterance, start, length) for start in starts]
            labels += [label] * len(starts)
    return LabelledClips(clips, np.array(labels, dtype=np.int64))


def examine(embed: Embed, examination: Examination) -> Figures:
    """Embeds every clip and measures the rates."""
    speech = embed(examination.speech.clips)
    labels = examination.speech.labels
    telephone_vectors = embed(examination.telephone.clips)
    return Figures(
        clean_eer=_trial_eer(speech, speech, labels),
        telephone_eer=_trial_eer(speech, telephone_vectors, labels),
        heard_nearest=_nearest_right(embed, examination.heard),
        unheard_nearest=_nearest_right(embed, examination.unheard),
    )


def _trial_eer(left: Vectors, right: Vectors, labels: NDArray[np.int64]) -> float:
    """Returns the EER over all pairs of two different cuts."""
    different_cuts = ~np.eye(len(labels), dtype=bool)
    same = labels[:, None] == labels[None, :]
    scores = left @ right.T
    return equal_error_rate(error_rates(scores[different_cuts], same[different_cuts]))


def _nearest_right(embed: Embed, sounds: LabelledClips) -> float:
    vectors = embed(sounds.clips)
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return float(np.mean(sounds.labels[scores.argmax(axis=1)] == sounds.labels))


def _over_telephone(clip: Wave, rng: np.random.Generator) -> Wave:
    band = telephone(clip)
    return add_noise(band, white_noise(rng, len(clip)), _TELEPHONE_SNR_DB)


def _sounds(per_family: int, *, unseen: bool) -> LabelledClips:
    classes = draw_classes(per_family, unseen=unseen)
    samples = round(_SOUND_SECONDS * RATE)
    rng = np.random.default_rng(_SEED)
    clips = [render(sound, rng, samples) for sound in classes for _ in range(_SOUND_VARIANTS)]
    return LabelledClips(clips, np.repeat(np.arange(len(classes)), _SOUND_VARIANTS))
