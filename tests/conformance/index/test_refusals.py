"""Requests that the service refuses, with their reasons, over each store."""

from __future__ import annotations

import numpy as np
import pytest

from serving.errors import Reason
from tests.conformance.index.index_harness import DIMENSION, MODEL, Client, refused, unit

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHER = "models/other-0123456789ab"
BAD_IDS = ["", "a" * 65, "a b", 'a"] or id != ["', "ä", "a\n", "../a", "a'b"]


async def test_missing_index(missing: Client) -> None:
    """Every call about an index that is not there, but for drop, is INDEX_NOT_FOUND."""
    vector = unit(1)[0]
    for call in (
        missing.upsert({"a": vector}),
        missing.delete("a"),
        missing.get("a"),
        missing.page(),
        missing.search(vector),
        missing.stats(),
    ):
        assert missing.index in await refused(call, Reason.INDEX_NOT_FOUND)


@pytest.mark.parametrize("index_id", ["", "a" * 65, "a-b", "a b", "../a", "a'; drop", "ä", "a\n"])
async def test_bad_index_id(filled: Client, index_id: str) -> None:
    """An index id of other characters, or of no or too many, is FIELD_INVALID everywhere."""
    client, vector = Client(filled.stub, index_id), unit(1)[0]
    for call in (
        client.create(),
        client.drop(),
        client.upsert({"a": vector}),
        client.delete("a"),
        client.get("a"),
        client.page(),
        client.search(vector),
        client.stats(),
    ):
        assert "index_id" in await refused(call, Reason.FIELD_INVALID)


async def test_longest_index_id(filled: Client) -> None:
    """Sixty-four characters are taken, a digit first too."""
    client = Client(filled.stub, "0" + "Z_z9" * 15 + "abc")
    await client.create()
    await client.drop()


@pytest.mark.parametrize("model", ["", "tiny", "models/", "models/a/b", "models/a b"])
async def test_bad_model(filled: Client, model: str) -> None:
    """A model that is no `models/{model}` is FIELD_INVALID."""
    vector = unit(1)[0]
    for call in (
        filled.create(model),
        filled.upsert({"a": vector}, model=model),
        filled.search(vector, model=model),
    ):
        assert "model" in await refused(call, Reason.FIELD_INVALID)


@pytest.mark.parametrize("dimension", [-1, 1, 4097, 2**31 - 1])
async def test_impossible_dimension(missing: Client, dimension: int) -> None:
    """A dimension outside 2 to 4,096 is FIELD_INVALID."""
    assert "dimension" in await refused(missing.create(dimension=dimension), Reason.FIELD_INVALID)


async def test_other_model(filled: Client) -> None:
    """Another model's vectors and queries, and an index for it, are MODEL_MISMATCH."""
    vector = unit(1)[0]
    for call in (
        filled.create(OTHER),
        filled.upsert({"a": vector}, model=OTHER),
        filled.search(vector, model=OTHER),
    ):
        assert MODEL in await refused(call, Reason.MODEL_MISMATCH)


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_bad_vector_id(filled: Client, bad: str) -> None:
    """An id of other characters is FIELD_INVALID and nothing is stored, deleted or searched."""
    vector = unit(1)[0]
    for call in (
        filled.upsert({"a": vector, bad: vector}),
        filled.delete("v000", bad),
        filled.get("v000", bad),
        filled.search(vector, only_ids=["v000", bad]),
        *([filled.page(bad)] if bad else []),
    ):
        await refused(call, Reason.FIELD_INVALID)
    assert list(await filled.get("a", "v000")) == ["v000"]


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (np.full(DIMENSION, np.nan), "NaN"),
        (np.array([np.inf] + [0] * (DIMENSION - 1)), "infinite"),
        (np.zeros(DIMENSION), "length 0"),
        (unit(1)[0] * 1.002, "length 1.002"),
        (unit(1)[0] * 1e38, "length"),
        (unit(1)[0][:-1], f"has {DIMENSION - 1} values"),
        (np.array([]), "has 0 values"),
    ],
    ids=["nan", "infinite", "zero", "long", "huge", "short", "empty"],
)
async def test_bad_values(filled: Client, bad: np.ndarray, word: str) -> None:
    """A vector that is no unit vector of the index is FIELD_INVALID, by id, and none is stored."""
    message = await refused(
        filled.upsert({"good": unit(1)[0], "bad-one": bad}), Reason.FIELD_INVALID
    )
    assert word in message
    assert "'bad-one'" in message
    assert await filled.get("good", "bad-one") == {}
    message = await refused(filled.search(bad), Reason.FIELD_INVALID)
    assert "queries[0]" in message


async def test_nearly_unit_vectors(client: Client) -> None:
    """A length within 0.001 of 1 is taken, and the score is the cosine all the same."""
    vector = unit(1)[0]
    await client.upsert({"a": vector * 1.0009})
    assert await client.search(vector * 0.9991) == [("a", 1.0)]


async def test_counts(filled: Client) -> None:
    """No entries, or more than the contract says, are FIELD_INVALID."""
    vector = unit(1)[0]
    names = [f"x{row}" for row in range(5001)]
    for call in (
        filled.upsert({}),
        filled.upsert(dict.fromkeys(names, vector)),
        filled.delete(),
        filled.delete(*names),
        filled.get(),
        filled.get(*names[:1001]),
        filled.search_all(np.zeros((0, DIMENSION))),
        filled.search_all(unit(101)),
        filled.search(vector, only_ids=names[:1001]),
        filled.page(size=-1),
        filled.page(size=10_001),
    ):
        await refused(call, Reason.FIELD_INVALID)


@pytest.mark.parametrize("score", [float("nan"), 1.01, -1.01, float("inf")])
async def test_bad_min_score(filled: Client, score: float) -> None:
    """A min_score that no neighbor can have is FIELD_INVALID."""
    message = await refused(filled.search(unit(1)[0], min_score=score), Reason.FIELD_INVALID)
    assert "min_score" in message


@pytest.mark.parametrize("target", [0.0, 0.49, 0.995, 1.0, float("nan"), -1.0])
async def test_bad_recall_target(filled: Client, target: float) -> None:
    """A recall that is not promised is FIELD_INVALID."""
    call = filled.search(unit(1)[0], recall_target=target)
    assert "recall_target" in await refused(call, Reason.FIELD_INVALID)
