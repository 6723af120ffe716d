"""What a gateway remembers of a library never shows: answers are those of gateways that ask."""

from __future__ import annotations

import random

import numpy as np
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_pb2 import INDEX_KIND_WINDOWS, Vector
from audiosearch.index.v1.index_service_pb2 import (
    CreateIndexRequest,
    DropIndexRequest,
    UpsertVectorsRequest,
)
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from gateway.libraries.indexes import attributes, present
from gateway.search.search import Search
from serving.errors import Reason, ServiceError
from tests.conformance.index.index_harness import DIMENSION, MODEL, unit
from tests.conformance.search.generated import Generated, Recording
from tests.conformance.search.test_search_core import vector

pytestmark = pytest.mark.asyncio(loop_scope="session")
ROUNDS = 60


async def other_index(
    stub: IndexServiceStub, library: Library, recordings: list[Recording]
) -> None:
    """Makes the index of a library, with one vector for each of these recordings."""
    index_id = present(library).windows
    await stub.CreateIndex(
        CreateIndexRequest(
            index_id=index_id, model=MODEL, dimension=DIMENSION, kind=INDEX_KIND_WINDOWS
        )
    )
    rows = [
        Vector(
            id=one.id,
            values=one.vectors[0].tolist(),
            clip_id=one.id,
            attributes=attributes(one.clip),
        )
        for one in recordings
    ]
    await stub.UpsertVectors(UpsertVectorsRequest(index_id=index_id, model=MODEL, vectors=rows))


async def answer(
    search: Search, generated: Generated, query: np.ndarray
) -> dict[str, str] | Reason:
    """Display names by clip, or the reason of the failure."""
    try:
        found = await search.by_vector(generated.config(k=8), vector(query))
    except ServiceError as error:
        return error.reason
    return {match.clip.name: match.clip.display_name for match in found.matches}


@pytest.mark.parametrize("seed", range(2))
async def test_no_change_is_answered_late(
    generated: Generated, stub: IndexServiceStub, seed: int
) -> None:
    """Clips deleted and renamed, libraries migrated, deleted and made anew; by two gateways.

    After each change both answer as one that has just started and remembers nothing.
    """
    lot, catalog = random.Random(seed), generated.catalog
    first, clips = catalog.library, dict(catalog.clips)
    few = [one for one in generated.recordings if not one.gone][:12]
    migrated, anew = Library(), Library()
    migrated.CopyFrom(first)
    migrated.generation = 2
    anew.CopyFrom(first)
    anew.uid = f"anew{seed}"
    await other_index(stub, migrated, few[:6])
    await other_index(stub, anew, few[6:])

    def delete_clip() -> None:
        del catalog.clips[lot.choice(list(catalog.clips))]

    def rename_clip() -> None:
        id_ = lot.choice(list(catalog.clips))
        renamed = Clip()
        renamed.CopyFrom(catalog.clips[id_])
        renamed.display_name = f"renamed {lot.random()}"
        catalog.clips[id_] = renamed

    def change_library() -> None:
        catalog.library = lot.choice([first, migrated, anew])

    def begin_deletion() -> None:
        going = Library()
        going.CopyFrom(catalog.library)
        going.state = Library.STATE_DELETING
        catalog.library = going

    changes = [delete_clip, rename_clip, change_library, change_library, begin_deletion]
    gateways = [generated.gateway(), generated.gateway()]
    answers = set()
    try:
        for number in range(ROUNDS):
            lot.choice(changes)()
            (query,) = unit(1, 100 * seed + number)
            expected = await answer(generated.gateway(), generated, query)
            answers.add(str(expected))
            for gateway in gateways:
                assert await answer(gateway, generated, query) == expected
        assert len(answers) > ROUNDS // 4
        assert str(Reason.STATE_CONFLICT) in answers
    finally:
        catalog.library, catalog.clips = first, clips
        for library in (migrated, anew):
            await stub.DropIndex(DropIndexRequest(index_id=present(library).windows))


async def test_the_second_search_reads_no_library(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes with the clips."""
    gateway, (query,) = generated.gateway(), unit(1, 3)
    expected = await answer(gateway, generated, query)
    monkeypatch.setattr(type(generated.catalog), "GetLibrary", None)
    assert await answer(gateway, generated, query) == expected
