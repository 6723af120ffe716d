"""Searches beside exact search: the same clips in the same order, of any number of windows."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1.search_pb2 import (
    DETAIL_CLIPS,
    Examples,
    SearchClipsResponse,
    VectorQuery,
)

from gateway.search.examples import best_scores
from serving.conditions import fits
from serving.errors import Reason, ServiceError
from tests.conformance.index.index_harness import DIMENSION, MODEL, unit
from tests.conformance.search.generated import Generated, Recording

pytestmark = pytest.mark.asyncio(loop_scope="session")


def vector(values: np.ndarray) -> VectorQuery:
    """A vector of the library's model."""
    return VectorQuery(values=values.tolist(), model=MODEL)


def pairs(answer: SearchClipsResponse) -> list[tuple[str, float]]:
    """Names and scores of the matches."""
    return [(match.clip.name, match.score) for match in answer.matches]


def rounded(found: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Names, and scores as floats of a message that is rounded to four decimals."""
    return [(name, pytest.approx(score, abs=6e-5)) for name, score in found]


def long_ones(generated: Generated) -> list[Recording]:
    """Recordings of several windows that the catalog knows."""
    return [one for one in generated.recordings if len(one.vectors) > 1 and not one.gone]


@pytest.mark.parametrize("k", [1, 3, 10, 25, 100])
@pytest.mark.parametrize("seed", range(4))
async def test_k_clips_come_whenever_they_exist(generated: Generated, k: int, seed: int) -> None:
    """The longest recordings would fill any list of windows."""
    (query,) = unit(1, 100 + seed)
    answer = await generated.search.by_vector(generated.config(k=k), vector(query))
    assert pairs(answer) == rounded(generated.best(query[np.newaxis])[:k])


async def test_a_window_of_the_longest_recording_finds_others_too(generated: Generated) -> None:
    """300 of its windows are nearer than any other clip."""
    longest = max(long_ones(generated), key=lambda one: len(one.vectors))
    query = longest.vectors[150]
    answer = await generated.search.by_vector(generated.config(k=12), vector(query))
    assert pairs(answer) == rounded(generated.best(query[np.newaxis])[:12])
    (first, *_) = answer.matches
    assert first.clip.name == longest.clip.name
    segment = first.segments[0]
    assert segment.start_offset.ToMilliseconds() <= 150 * 1500 < segment.end_offset.ToMilliseconds()
    assert not segment.HasField("query_start_offset")


@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("place", range(3))
async def test_a_long_query_is_searched_by_all_its_windows(
    generated: Generated, k: int, place: int
) -> None:
    """A clip's score is that of the best pair of windows."""
    one = sorted(long_ones(generated), key=lambda each: len(each.vectors))[place * 5]
    answer = await generated.search.by_clip(generated.config(k=k), one.clip.name)
    others = [pair for pair in generated.best(one.vectors) if pair[0] != one.clip.name]
    assert pairs(answer) == rounded(others[:k])


async def test_pages_together_are_the_whole_list(generated: Generated) -> None:
    """They neither repeat nor skip, whatever k each has."""
    (query,) = unit(1, 7)
    found, token = [], ""
    for k in (1, 4, 7, 2, 50):
        config = generated.config(k=k, page_token=token)
        answer = await generated.search.by_vector(config, vector(query))
        found += pairs(answer)
        token = answer.next_page_token
        assert bool(token) == (k != 50)
    assert found == rounded(generated.best(query[np.newaxis]))
    whole = await generated.search.by_vector(generated.config(k=100), vector(query))
    assert [name for name, _ in pairs(whole)] == [name for name, _ in found]
    assert not whole.next_page_token


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("field", ["label", "metadata.take"])
async def test_groups_are_ordered_by_their_best_match(
    generated: Generated, field: str, size: int
) -> None:
    """And hold the best clips of their value, the best first."""
    (query,) = unit(1, 11)
    of_clip = {
        one.clip.name: one.clip.label if field == "label" else one.clip.metadata.get("take", "")
        for one in generated.recordings
    }
    groups: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for name, score in generated.best(query[np.newaxis]):
        groups[of_clip[name]].append((name, score))
    expected = [pair for members in groups.values() for pair in members[:size]]
    config = generated.config(k=20, group_by=field, group_size=size)
    answer = await generated.search.by_vector(config, vector(query))
    assert pairs(answer) == rounded(expected)
    assert [match.group for match in answer.matches] == [of_clip[name] for name, _ in expected]
    found, token = [], ""
    while True:
        config = generated.config(k=2, group_by=field, group_size=size, page_token=token)
        page = await generated.search.by_vector(config, vector(query))
        found += pairs(page)
        token = page.next_page_token
        if not token:
            break
    assert found == rounded(expected)


async def test_a_group_key_that_no_clip_has_is_one_group(generated: Generated) -> None:
    """The best clip stands for it."""
    (query,) = unit(1, 12)
    config = generated.config(k=5, group_by="metadata.nothing")
    answer = await generated.search.by_vector(config, vector(query))
    assert pairs(answer) == rounded(generated.best(query[np.newaxis])[:1])
    assert [match.group for match in answer.matches] == [""]


async def test_a_filter_narrows_what_is_searched(generated: Generated) -> None:
    """All that fit come, the best first."""
    (query,) = unit(1, 13)
    label = max(long_ones(generated), key=lambda one: len(one.vectors)).clip.label
    filters = ClipFilter(
        label=label,
        conditions=[
            Condition(field="duration", range=Condition.Range(minimum=4)),
            Condition(field="display_name", contains="RECORD"),
        ],
    )
    config = generated.config(k=30, filter=filters)
    answer = await generated.search.by_vector(config, vector(query))
    expected = generated.best(
        query[np.newaxis],
        lambda clip: clip.label == label and clip.audio.duration.ToMilliseconds() >= 4000,
    )
    assert expected
    assert pairs(answer) == rounded(expected)


@pytest.mark.parametrize("least", [0.0, 0.2, 0.25, 0.33])
async def test_tags_narrow_what_is_searched(generated: Generated, least: float) -> None:
    """All that have one come, or all that have none, also at a score between two tenths."""
    (query,) = unit(1, 13)
    values = Condition.Values(values=["Cat", "Dog"], min_score=least)
    for condition in (
        Condition(field="tag", any_of=values),
        Condition(field="tag", none_of=values),
    ):
        config = generated.config(k=30, filter=ClipFilter(conditions=[condition]))
        answer = await generated.search.by_vector(config, vector(query))
        expected = generated.best(
            query[np.newaxis], lambda clip, each=condition: fits(clip, [each])
        )
        assert expected
        assert pairs(answer) == rounded(expected)


async def test_a_late_mirror_shows_no_wrong_clip(generated: Generated) -> None:
    """The label was changed in the catalog, and the index has the old one."""
    (query,) = unit(1, 14)
    name, _ = generated.best(query[np.newaxis])[0]
    row = generated.catalog.clips[name.rpartition("/")[2]]
    label, row.label = row.label, "snow"
    try:
        config = generated.config(k=30, filter=ClipFilter(label=label))
        answer = await generated.search.by_vector(config, vector(query))
    finally:
        row.label = label
    assert answer.matches
    assert name not in [found for found, _ in pairs(answer)]


async def test_a_migration_that_ends_meanwhile_is_noticed(generated: Generated) -> None:
    """The library is read again, once."""
    one = long_ones(generated)[4]
    (query,) = unit(1, 16)
    for search in (
        lambda gateway: gateway.by_vector(generated.config(k=5), vector(query)),
        lambda gateway: gateway.by_clip(generated.config(k=5), one.clip.name),
    ):
        expected = await search(generated.search)
        generated.catalog.stale = 1
        assert await search(generated.gateway()) == expected


async def test_min_score_leaves_out_what_is_lower(generated: Generated) -> None:
    """Rounded alike."""
    (query,) = unit(1, 15)
    every = await generated.search.by_vector(generated.config(k=40), vector(query))
    limit = every.matches[9].score
    some = await generated.search.by_vector(generated.config(k=40, min_score=limit), vector(query))
    assert pairs(some) == [pair for pair in pairs(every) if pair[1] >= limit]


async def test_examples_against_push_away(generated: Generated) -> None:
    """The best score strategy, beside exact scores; the examples are left out."""
    liked, disliked = long_ones(generated)[3], long_ones(generated)[5]
    positive, negative = np.stack([liked.vectors[0], unit(1, 21)[0]]), disliked.vectors[:1]
    examples = Examples(
        positive=[Examples.Example(vector=vector(one)) for one in positive],
        negative=[Examples.Example(vector=vector(one)) for one in negative],
        strategy=Examples.STRATEGY_BEST_SCORE,
    )
    answer = await generated.search.by_examples(generated.config(k=15), examples)
    scores = {
        one.clip.name: float(best_scores(one.vectors, positive, negative).max())
        for one in generated.recordings
        if not one.gone
    }
    expected = sorted(scores.items(), key=lambda pair: -pair[1])[:15]
    assert pairs(answer) == rounded(expected)
    average = Examples(positive=examples.positive, negative=examples.negative)
    answer = await generated.search.by_examples(generated.config(k=15), average)
    mean = 2 * positive.mean(axis=0) - negative.mean(axis=0)
    assert pairs(answer) == rounded(generated.best(mean[np.newaxis] / np.linalg.norm(mean))[:15])


async def test_a_plain_search_of_short_clips_asks_each_service_once(generated: Generated) -> None:
    """Their segment is the whole clip, so that no other look is needed."""
    short = next(one for one in generated.recordings if len(one.vectors) == 1 and not one.gone)
    config = generated.config(
        k=1, filter=ClipFilter(conditions=[Condition(field="duration", range={"maximum": 3})])
    )
    before = generated.catalog.lookups
    answer = await generated.search.by_vector(config, vector(short.vectors[0]))
    assert generated.catalog.lookups == before + 1
    (match,) = answer.matches
    assert (match.clip.name, match.score, match.coverage.of_clip) == (short.clip.name, 1, 1)
    assert [segment.end_offset for segment in match.segments] == [short.clip.audio.duration]
    plain = await generated.search.by_clip(
        generated.config(k=1, detail=DETAIL_CLIPS), short.clip.name
    )
    assert not plain.matches[0].segments
    assert not plain.matches[0].HasField("coverage")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (VectorQuery(values=[0] * DIMENSION, model=MODEL), Reason.FIELD_INVALID),
        (VectorQuery(values=[float("nan")] * DIMENSION, model=MODEL), Reason.FIELD_INVALID),
        (VectorQuery(values=[float("inf")] * DIMENSION, model=MODEL), Reason.FIELD_INVALID),
        (VectorQuery(model=MODEL), Reason.FIELD_INVALID),
        (VectorQuery(values=[1] * DIMENSION), Reason.MODEL_MISMATCH),
        (VectorQuery(values=[1] * DIMENSION, model="models/other"), Reason.MODEL_MISMATCH),
    ],
)
async def test_a_vector_that_can_not_be_is_refused(
    generated: Generated, query: VectorQuery, reason: Reason
) -> None:
    """Also among examples."""
    with pytest.raises(ServiceError) as raised:
        await generated.search.by_vector(generated.config(), query)
    assert raised.value.reason is reason
    examples = Examples(positive=[Examples.Example(vector=query)])
    with pytest.raises(ServiceError) as raised:
        await generated.search.by_examples(generated.config(), examples)
    assert raised.value.reason is reason


@pytest.mark.parametrize("count", [0, 51, 10_000])
async def test_too_many_examples_are_refused(generated: Generated, count: int) -> None:
    """And none at all."""
    example = Examples.Example(clip=long_ones(generated)[0].clip.name)
    with pytest.raises(ServiceError, match=f"{count:,} examples") as raised:
        await generated.search.by_examples(generated.config(), Examples(positive=[example] * count))
    assert raised.value.reason is Reason.FIELD_INVALID
