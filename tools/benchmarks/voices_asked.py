"""Enrolls speakers, fits a calibration and identifies test clips, on a running stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    NORMALIZATION_NONE,
    Calibration,
    DetectionCosts,
    OperatingPoint,
    ScoreCalibration,
)
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest
from audiosearch.gateway.v1.speakers_pb2 import IdentifySpeakerResponse
from audiosearch_client.client import AudiosearchClient

ENROLLED, FITTED, TESTED = 10, 30, 50
"""Clips of each speaker for enrollment, for the calibration and for the test."""
THREADS = 4
EVERYBODY = OperatingPoint(costs=DetectionCosts(p_target=0.5, cost_miss=1e30))
"""An operating point that accepts every speaker, so that the answer holds all scores."""


@dataclass(frozen=True)
class Person:
    """Recordings of one speaker, each for one purpose only."""

    enrolled: Sequence[Path]
    fitted: Sequence[Path]
    tested: Sequence[Path]


def cast(folder: Path, seed: int) -> dict[str, Person]:
    """Returns the speakers of FSDD (`{digit}_{speaker}_{index}.wav`) with shuffled recordings."""
    random = np.random.default_rng(seed)
    by_speaker: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*_*_*.wav")):
        by_speaker.setdefault(path.stem.split("_")[1], []).append(path)
    people = {}
    for name, found in by_speaker.items():
        paths = [found[place] for place in random.permutation(len(found))]
        ends = np.cumsum([ENROLLED, FITTED, TESTED])
        people[name] = Person(*(paths[a:b] for a, b in zip((0, *ends), ends, strict=False)))
    return people


@dataclass(frozen=True)
class Asked:
    """The gateway's decisions about every test clip at one operating point."""

    point: str
    calibration: Calibration
    truth: Sequence[str]
    """The speaker of each clip, strangers included."""
    named: Sequence[str]
    """The speaker that the gateway named for each clip; empty for none."""
    accepted: np.ndarray
    """True if a clip was accepted as a speaker, shape (clips, speakers)."""
    stranger_rate: float
    """Highest share of strangers that are named, as the gateway expects."""

    @property
    def expected(self) -> ScoreCalibration:
        """The calibration of the scores that the decisions use."""
        normalized = self.calibration.normalization == NORMALIZATION_AS_NORM
        return self.calibration.normalized if normalized else self.calibration.cosine


@dataclass(frozen=True)
class Run:
    """The results of one library, with or without a stranger."""

    stranger: str
    enrolled: Sequence[str]
    asked: Sequence[Asked]
    truth: Sequence[str]
    cosines: np.ndarray
    """Shape (clips, speakers)."""
    normalized: np.ndarray | None
    """Scores after AS-norm, of the same shape; None if there are too few speakers for it."""

    @property
    def ranked_first(self) -> Sequence[str]:
        """The speaker of the highest cosine for each clip, without any threshold."""
        return [self.enrolled[place] for place in self.cosines.argmax(1)]


def perform(
    client: AudiosearchClient,
    people: Mapping[str, Person],
    stranger: str,
    points: Mapping[str, OperatingPoint],
    report: Callable[[str], None],
) -> Run:
    """Enrolls all but the stranger, calibrates, and identifies the clips of all."""
    enrolled = sorted(set(people) - {stranger})
    library = f"without-{stranger}" if stranger else "everybody"
    client.call(client.stubs.libraries.CreateLibrary, CreateLibraryRequest(library_id=library))
    _fill(client, library, {name: people[name] for name in enrolled})
    client.speakers.calibrate(library)
    clips = [(name, path) for name in sorted(people) for path in people[name].tested]
    truth = [name for name, _ in clips]

    def ask() -> list[IdentifySpeakerResponse]:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(
                pool.map(lambda clip: client.speakers.identify(library, clip[1], k=100), clips)
            )

    asked = []
    for word, point in points.items():
        calibration = client.speakers.update_calibration(library, point)
        answers = ask()
        report(f"{library}: {len(answers)} asked, {word}")
        accepted = ~np.isnan(_scores(answers, enrolled, "cosine"))
        named = [_first(answer) for answer in answers]
        rate = answers[0].expected_stranger_rate
        asked.append(Asked(word, calibration, truth, named, accepted, rate))
    there = calibration.HasField("normalized")
    scores = NORMALIZATION_AS_NORM if there else NORMALIZATION_NONE
    client.speakers.update_calibration(library, EVERYBODY, scores)
    answers = ask()
    cosines = _scores(answers, enrolled, "cosine")
    if np.isnan(cosines).any():
        raise ValueError(f"{library}: not everybody was accepted at {EVERYBODY}")
    normalized = _scores(answers, enrolled, "normalized") if there else None
    return Run(stranger, enrolled, asked, truth, cosines, normalized)


def _fill(client: AudiosearchClient, library: str, people: Mapping[str, Person]) -> None:
    for name, person in people.items():
        client.speakers.enroll(library, name, list(person.enrolled), new=True)
        with ThreadPoolExecutor(THREADS) as pool:
            clip = Clip(speaker=name)
            list(
                pool.map(lambda path, clip=clip: client.upload(library, path, clip), person.fitted)
            )


def _first(answer: IdentifySpeakerResponse) -> str:
    return answer.matches[0].speaker.name.rpartition("/")[2] if answer.matches else ""


def _scores(
    answers: Sequence[IdentifySpeakerResponse], enrolled: Sequence[str], kind: str
) -> np.ndarray:
    """Returns scores of a kind, shape (clips, speakers); NaN for speakers that the answer lacks."""
    scores = np.full((len(answers), len(enrolled)), np.nan)
    for row, answer in enumerate(answers):
        for match in answer.matches:
            column = enrolled.index(match.speaker.name.rpartition("/")[2])
            scores[row, column] = getattr(match.score, kind)
    return scores
