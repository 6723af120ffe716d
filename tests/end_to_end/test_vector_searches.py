"""Every kind of question to a library for vectors that were made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library
from audiosearch.embedding.v1.embedding_pb2 import TimeRange
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1.clips_pb2 import NewVector
from audiosearch.gateway.v1.duplicates_pb2 import GetDuplicatesRequest
from audiosearch.gateway.v1.search_pb2 import (
    Examples,
    SearchClipsRequest,
    SearchClipsResponse,
    SearchConfig,
    VectorQuery,
)

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import short

MODEL, DIMENSION = "models/glove-16", 16
KINDS = ("animal", "king", "tool")
_TAKES = 5


class Words:
    """A library of words of three kinds."""

    def __init__(self, running: Running) -> None:
        """Makes and fills it."""
        self.client: Any = running.client
        self.library = "words-asked"
        draw = np.random.default_rng(4)
        centers = draw.normal(size=(len(KINDS), DIMENSION))
        self.vectors = {
            f"{kind} {take}": centers[number] + 0.3 * draw.normal(size=DIMENSION)
            for number, kind in enumerate(KINDS)
            for take in range(_TAKES)
        }
        made = Library(model=MODEL, dimension=DIMENSION)
        request = CreateLibraryRequest(library_id=self.library, library=made)
        self.client.call(self.client.stubs.libraries.CreateLibrary, request)
        items = [
            NewVector(
                clip=Clip(
                    display_name=word, label=word.split()[0], metadata={"take": word.split()[1]}
                ),
                values=vector.tolist(),
            )
            for word, vector in self.vectors.items()
        ]
        outcomes = self.client.upload_vectors(self.library, MODEL, items).outcomes
        self.clips = {each.clip.display_name: each.clip.name for each in outcomes}

    def query(self, word: str) -> VectorQuery:
        """The vector of a word."""
        return VectorQuery(model=MODEL, values=self.vectors[word].tolist())

    def config(self, **fields: Any) -> SearchConfig:
        """The config of a search in the library."""
        return SearchConfig(parent=f"libraries/{self.library}", **fields)

    def search(self, query: Any, **fields: Any) -> SearchClipsResponse:
        """One search."""
        answer: SearchClipsResponse = self.client.search(
            self.library, query, config=self.config(**fields)
        )
        return answer

    def cosine(self, word: str, other: str) -> float:
        """The exact score of two words."""
        a, b = self.vectors[word], self.vectors[other]
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def names(answer: SearchClipsResponse) -> list[str]:
    """The words found."""
    return [match.clip.display_name for match in answer.matches]


@pytest.fixture(scope="module")
def words(shared: Running) -> Words:
    """Only for reading."""
    return Words(shared)


def of_clip(words: Words, word: str) -> Examples.Example:
    """A word as an example, by its clip."""
    return Examples.Example(clip=words.clips[word])


def of_vector(words: Words, word: str) -> Examples.Example:
    """A word as an example, by its vector."""
    return Examples.Example(vector=words.query(word))


def test_examples_for_and_against(words: Words) -> None:
    """By clips, which are left out, or by vectors; the average leads away from the others."""
    for strategy in (Examples.STRATEGY_AVERAGE, Examples.STRATEGY_BEST_SCORE):
        clips = Examples(
            positive=[of_clip(words, "animal 0"), of_clip(words, "animal 1")],
            negative=[of_clip(words, "king 0")],
            strategy=strategy,
        )
        answer = words.search(clips, k=20)
        assert set(names(answer)[:3]) == {"animal 2", "animal 3", "animal 4"}
        assert not {"animal 0", "animal 1", "king 0"} & set(names(answer))
        assert len(answer.matches) == len(words.clips) - 3
        vectors = Examples(
            positive=[of_vector(words, "tool 0")],
            negative=[of_vector(words, "animal 0")],
            strategy=strategy,
        )
        answer = words.search(vectors, k=_TAKES)
        assert set(names(answer)) == {f"tool {take}" for take in range(_TAKES)}
        assert answer.matches[0].clip.display_name == "tool 0"


def test_best_scores_of_examples_are_exact(words: Words) -> None:
    """A word that is nearer to an example against scores below 0."""
    query = Examples(
        positive=[of_vector(words, "tool 0")],
        negative=[of_vector(words, "king 0")],
        strategy=Examples.STRATEGY_BEST_SCORE,
    )
    for match in words.search(query, k=20).matches:
        word = match.clip.display_name
        like, unlike = words.cosine(word, "tool 0"), words.cosine(word, "king 0")
        expected = like if like > unlike else -(unlike**2)
        assert match.score == pytest.approx(expected, abs=2e-3)


def test_examples_of_another_kind_are_refused(words: Words) -> None:
    """Vectors of another length or model, and clips that are not there."""
    gone = f"libraries/{words.library}/clips/{'0' * 26}"
    for example, reason in (
        (Examples.Example(vector=VectorQuery(model=MODEL, values=[1, 2])), Reason.FIELD_INVALID),
        (
            Examples.Example(vector=VectorQuery(model="models/x", values=[1.0] * DIMENSION)),
            Reason.MODEL_MISMATCH,
        ),
        (Examples.Example(clip=gone), Reason.CLIP_NOT_FOUND),
    ):
        with pytest.raises(ServiceError) as caught:
            words.search(Examples(positive=[example]))
        assert caught.value.reason is reason


def test_words_are_grouped(words: Words) -> None:
    """By label, by a key of metadata, and page by page."""
    by_label = words.search(words.query("animal 0"), group_by="label", group_size=2, k=3)
    assert {match.group for match in by_label.matches} == set(KINDS)
    assert len(by_label.matches) == 2 * len(KINDS)
    assert names(by_label)[0] == "animal 0"
    by_take = words.search(words.clips["king 0"], group_by="metadata.take", k=3)
    assert len({match.group for match in by_take.matches}) == 3
    pages = list(
        words.client.search_pages(
            words.library, words.query("king 1"), words.config(group_by="label", k=1)
        )
    )
    assert next(match.group for page in pages for match in page.matches) == "king"
    assert sorted(match.group for page in pages for match in page.matches) == sorted(KINDS)


def test_many_questions_in_one_call(words: Words, tmp_path: Path) -> None:
    """Those that can't be answered fail for themselves."""
    audio = short(tmp_path, 1).read_bytes()
    few = VectorQuery(model=MODEL, values=[1, 2])
    config = words.config(k=1)
    outcomes = words.client.search_batch(
        [
            SearchClipsRequest(config=config, vector=words.query("tool 1")),
            SearchClipsRequest(config=config, clip=words.clips["king 2"]),
            SearchClipsRequest(config=config, audio=audio),
            SearchClipsRequest(config=config, vector=few),
            SearchClipsRequest(
                config=config, examples=Examples(positive=[of_clip(words, "animal 3")])
            ),
        ]
    ).outcomes
    assert names(outcomes[0].response) == ["tool 1"]
    assert names(outcomes[1].response)[0].startswith("king")
    assert outcomes[2].failure.reason == Reason.MODEL_MISMATCH.value
    assert outcomes[3].failure.reason == Reason.FIELD_INVALID.value
    assert names(outcomes[4].response)[0].startswith("animal")


def test_vectors_have_no_time(words: Words) -> None:
    """No part of them is searched with, and no match tells a place."""
    part = TimeRange()
    part.end_offset.FromSeconds(1)
    with pytest.raises(ServiceError, match="no time") as caught:
        words.client.search(words.library, words.clips["king 0"], part=part)
    assert caught.value.reason is Reason.FIELD_INVALID
    assert caught.value.metadata["field"] == "range"
    for query in (words.clips["king 0"], words.query("king 0")):
        for match in words.search(query, k=3).matches:
            assert not match.segments
            assert not match.HasField("coverage")


def test_a_lowest_score_and_conditions_hold(words: Words) -> None:
    """As for audio."""
    answer = words.search(words.query("tool 3"), min_score=1.0)
    assert [(match.clip.display_name, match.score) for match in answer.matches] == [("tool 3", 1)]
    config = words.config(k=20)
    config.filter.conditions.append(
        Condition(field="metadata.take", any_of=Condition.Values(values=["2", "3"]))
    )
    answer = words.client.search(words.library, words.query("tool 3"), config=config)
    assert len(answer.matches) == 2 * len(KINDS)


def test_vectors_have_no_duplicates(words: Words) -> None:
    """Duplicates are found by sound; the error tells another way."""
    request = GetDuplicatesRequest(name=f"libraries/{words.library}/duplicates")
    with pytest.raises(ServiceError, match="min_score") as caught:
        words.client.call(words.client.stubs.libraries.GetDuplicates, request)
    assert caught.value.reason is Reason.MODEL_MISMATCH
