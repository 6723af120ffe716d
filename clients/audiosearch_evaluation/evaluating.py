"""A complete evaluation of a library, by a trial list or by the speakers or labels of its clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_client.client import AudiosearchClient
from numpy.typing import NDArray

from audiosearch_evaluation.embedding import ClipEmbedder
from audiosearch_evaluation.matching import match_clips
from audiosearch_evaluation.options import Options
from audiosearch_evaluation.sampling import check_kinds, choose
from audiosearch_evaluation.trials import TrialList, read_enrollments, read_trials
from scoring.figures import Resampling, Retrieval, Scored, Verification, judge, verify
from scoring.mean_voice import mean_voice
from scoring.pairs import all_pairs
from scoring.retrieval import retrieve
from serving.errors import Reason, ServiceError

RECALL_AT = (1, 5, 10)
BLOCK = 100_000
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation, and the data behind them."""

    library: str
    model: str
    trials_from: str
    """The list or the field of the clips, for people."""

    clips: int
    clips_met: int
    """Number of usable clips; more than `clips` if only a part was used."""

    drawn: str
    """The units that the intervals are resampled over, for people."""

    options: Options
    scored: Scored
    verification: Verification
    retrieval: Retrieval | None


class Evaluator:
    """Evaluates one library through the gateway."""

    def __init__(
        self,
        client: AudiosearchClient,
        library: str,
        options: Options,
        report: Callable[[int, int], None],
    ) -> None:
        """Looks the library up.

        Args:
            client: of the gateway.
            library: its name without `libraries/`.
            options: of the evaluation.
            report: called with the number of embedded clips and the number in all.
        """
        request = library_pb2.GetLibraryRequest(
            name=f"libraries/{library}", view=library_pb2.LIBRARY_VIEW_BASIC
        )
        self._client, self._library, self._options = client, library, options
        self._model = client.call(client.stubs.libraries.GetLibrary, request).model
        self._report = report

    def by_field(self, field: str) -> Evaluation:
        """Evaluates all pairs of clips by `speaker` or `label`, and retrieval.

        Raises:
            ServiceError: STATE_CONFLICT if there are fewer than two speakers or labels.
        """

        def key(clip: Clip) -> str:
            return clip.speaker if field == "speaker" else clip.label

        options = self._options
        clips, met = choose(self._clips(), key, options.most_clips, options.seed)
        check_kinds(map(key, clips), field, self._library)
        labels, _ = _number(map(key, clips))
        vectors = self._embed(clips)
        pairs = all_pairs(vectors, labels, options.seed)
        units, count, drawn = _units(clips)
        resampling = Resampling(count, options.resamples, options.seed)
        answers = retrieve(vectors, labels)
        scored = Scored(pairs.scores, pairs.targets, units[pairs.first], units[pairs.second])
        return Evaluation(
            self._library,
            self._model,
            f"every two clips, by {field}",
            len(clips),
            met,
            drawn,
            options,
            scored,
            verify(scored, resampling),
            judge(answers, units[answers.queries], RECALL_AT, resampling),
        )

    def by_list(self, trials_path: Path, enrollments_path: Path | None = None) -> Evaluation:
        """Evaluates the trials of a list. A second list may give the files of each enrollment.

        Raises:
            ServiceError: FIELD_INVALID for lists that can't be parsed or names that match several
                clips; CLIP_NOT_FOUND for names that match no clip of the library.
        """
        trials = read_trials(trials_path)
        enrolled = _enrollments(trials, enrollments_path)
        names = {name for files in enrolled for name in files} | trials.tests.keys()
        found = match_clips(sorted(names), self._clips(), self._library)
        clips = list({clip.name: clip for clip in found.values()}.values())
        vectors = self._embed(clips)
        row_of = {clip.name: row for row, clip in enumerate(clips)}
        rows = {name: row_of[clip.name] for name, clip in found.items()}
        tests = np.array([rows[name] for name in trials.tests], np.int64)
        units, count, drawn = _units(clips)
        scored = Scored(
            _score(_models(vectors, enrolled, rows), vectors[tests], trials),
            trials.targets,
            units[np.array([rows[files[0]] for files in enrolled], np.int64)][trials.first],
            units[tests][trials.second],
        )
        return Evaluation(
            self._library,
            self._model,
            trials_path.name,
            len(clips),
            len(clips),
            drawn,
            self._options,
            scored,
            verify(scored, Resampling(count, self._options.resamples, self._options.seed)),
            None,
        )

    def _clips(self) -> Iterable[Clip]:
        return self._client.clips(self._library, clip_pb2.ListClipsRequest(page_size=1000))

    def _embed(self, clips: Sequence[Clip]) -> Vectors:
        return ClipEmbedder(self._client, self._model).embed(clips, self._report)


def _enrollments(trials: TrialList, path: Path | None) -> list[tuple[str, ...]]:
    """The files of each enrollment, by its number. Without a list it is the file of its name."""
    if path is None:
        return [(name,) for name in trials.enrollments]
    known = read_enrollments(path)
    missing = [name for name in trials.enrollments if name not in known]
    if missing:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"{path} tells nothing of {len(missing):,} names, such as {', '.join(missing[:5])}",
        )
    return [known[name] for name in trials.enrollments]


def _models(
    vectors: Vectors, enrolled: Sequence[tuple[str, ...]], rows: Mapping[str, int]
) -> Vectors:
    """One unit vector for each enrollment: the mean of the vectors of its files."""
    return np.stack([mean_voice(vectors[[rows[name] for name in files]]) for files in enrolled])


def _score(models: Vectors, tests: Vectors, trials: TrialList) -> NDArray[np.float32]:
    """The cosine of each trial, computed in blocks, because lists have millions of trials."""
    scores = np.empty(len(trials.targets), np.float32)
    for start in range(0, len(scores), BLOCK):
        part = slice(start, start + BLOCK)
        scores[part] = np.einsum("ij,ij->i", models[trials.first[part]], tests[trials.second[part]])
    return scores


def _number(values: Iterable[str]) -> tuple[NDArray[np.int64], int]:
    kinds, numbers = np.unique(np.array(list(values)), return_inverse=True)
    return numbers.astype(np.int64), len(kinds)


def _units(clips: Sequence[Clip]) -> tuple[NDArray[np.int64], int, str]:
    """The units to resample: speakers, or clips unless all speakers are known and several."""
    speakers, count = _number(clip.speaker for clip in clips)
    if count > 1 and all(clip.speaker for clip in clips):
        return speakers, count, f"{count:,} speakers"
    return np.arange(len(clips)), len(clips), f"{len(clips):,} clips"
