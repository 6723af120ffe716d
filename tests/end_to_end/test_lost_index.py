"""Indexes that lose vectors: told by every answer, and filled from what is kept, by no encoder."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.kept_vectors_pb2 import (
    DropKeptVectorsRequest,
    LookupKeptVectorsRequest,
)
from audiosearch.catalog.v1.library_pb2 import (
    Library,
)
from audiosearch.gateway.v1.search_pb2 import IncompleteLibrary, SearchClipsResponse, VectorQuery
from audiosearch.gateway.v1.system_status_pb2 import GetStatusRequest
from audiosearch.index.v1 import index_service_pb2 as index_pb2

from serving.errors import Reason, ServiceError
from serving.retry import patiently
from tests.end_to_end.conftest import start
from tests.end_to_end.indexed import Indexed, long, opened, short
from tools.servers.processes import until

SHORTS, LONGS = 6, 2


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    """A stack that compares every second, and sweeps once an hour."""
    folder = tmp_path_factory.mktemp("lost")
    with start(folder, AUDIOSEARCH_COMPARE_SECONDS="1") as running, opened(running) as made:
        yield made


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Short and long ones."""
    folder = tmp_path_factory.mktemp("recordings")
    shorts = [short(folder, number) for number in range(SHORTS)]
    return [*shorts, *(long(folder, number) for number in range(LONGS))]


@pytest.fixture
def library(stack: Indexed, recordings: list[Path]) -> Library:
    """A library with all recordings."""
    name = stack.running.library()
    for path in recordings:
        stack.client.upload(name, path)
    return stack.library(name)


def short_name(library: Library) -> str:
    """The short name of a library."""
    return library.name.removeprefix("libraries/")


def windows(library: Library) -> str:
    """The index that a library is searched in."""
    return f"{library.uid}_w{library.generation}"


def search(stack: Indexed, library: Library) -> SearchClipsResponse:
    """The answer to a vector, which no encoder is needed for."""
    query = VectorQuery(model=library.model, values=[1.0, *[0.0] * 191])
    found: SearchClipsResponse = stack.client.search(short_name(library), query, k=50)
    return found


def refused(stack: Indexed, library: Library, clip_id: str) -> Reason | None:
    """The reason why a search with a clip is refused; None if it is not."""
    try:
        stack.client.search_by_clip(short_name(library), f"{library.name}/clips/{clip_id}")
    except ServiceError as error:
        return error.reason
    return None


def complete(stack: Indexed, library: Library) -> bool:
    """True if the library tells of nothing that is missing, and nothing is."""
    name = short_name(library)
    try:
        return not stack.library(name).HasField("index_state") and stack.differences(name) == []
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return False
        raise


def lose(stack: Indexed, index_id: str, ids: list[str]) -> None:
    """Removes vectors behind the back of all services."""
    stack.index.DeleteVectors(index_pb2.DeleteVectorsRequest(index_id=index_id, ids=ids))


def begin(stack: Indexed, service: str) -> None:
    """Starts a service that has ended, and waits for it."""
    stack.running.stack.launch(service)
    stack.running.stack.wait(service)


def kill(stack: Indexed, service: str) -> None:
    """Ends a service as a power cut does."""
    process = stack.running.stack._processes[service]
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def test_a_lost_index_is_told_and_filled_without_the_encoder(
    stack: Indexed, library: Library
) -> None:
    """The first search finds it gone, answers OK and incomplete; later ones answer as before."""
    before = search(stack, library)
    assert (len(before.matches), list(before.incomplete)) == (SHORTS + LONGS, [])
    count = len(stack.vectors(windows(library)))
    for index_id in (windows(library), f"{library.uid}_c{library.generation}"):
        stack.index.DropIndex(index_pb2.DropIndexRequest(index_id=index_id))
    (told,) = search(stack, library).incomplete
    kill(stack, "embedding")
    assert told == IncompleteLibrary(library=library.name, expected_count=count)
    until(lambda: complete(stack, library))
    assert search(stack, library) == before
    begin(stack, "embedding")


def test_half_of_an_index_is_filled_again(stack: Indexed, library: Library) -> None:
    """Nobody has to search for it: the numbers of windows and of wholes are compared."""
    before = search(stack, library)
    ids = sorted(stack.vectors(windows(library)))
    kill(stack, "embedding")
    lose(stack, windows(library), ids[::2])
    until(lambda: complete(stack, library))
    lose(stack, f"{library.uid}_c{library.generation}", sorted(stack.clips(short_name(library))))
    until(lambda: complete(stack, library))
    assert search(stack, library) == before
    begin(stack, "embedding")


def test_clips_that_come_into_a_lost_index_are_stored(
    stack: Indexed, library: Library, tmp_path: Path
) -> None:
    """An upload makes the index anew. A clip whose vectors are not there yet says so."""
    stack.index.DropIndex(index_pb2.DropIndexRequest(index_id=windows(library)))
    added = stack.client.upload(short_name(library), short(tmp_path, 40)).clip
    old = min(stack.clips(short_name(library)))
    assert refused(stack, library, old) in {None, Reason.INDEX_UNAVAILABLE}
    until(lambda: complete(stack, library))
    found = stack.client.search_by_clip(short_name(library), added.name, k=50)
    assert len(found.matches) == SHORTS + LONGS
    assert refused(stack, library, old) is None


def test_clips_that_come_and_go_are_no_loss(
    stack: Indexed, library: Library, tmp_path: Path
) -> None:
    """Several comparisons fall into uploads and deletions, and none of them finds too few."""
    name = short_name(library)
    told = list[object]()

    def come_and_go(number: int) -> None:
        path = short(tmp_path, 100 + number)
        for _ in range(6):
            clip = stack.client.upload(name, path).clip.name
            told.extend(search(stack, library).incomplete)
            request = clip_pb2.DeleteClipRequest(name=clip)
            stack.client.call(stack.client.stubs.clips.DeleteClip, request)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(come_and_go, range(3)))
    assert not told
    assert complete(stack, library)


def test_everything_tells_of_what_is_missing(stack: Indexed, library: Library) -> None:
    """A library, its searches and the status, while a worker fills it; others are not named."""
    stack.tell_lost(short_name(library), 3, 9)
    told = IncompleteLibrary(library=library.name, indexed_count=3, expected_count=9)
    assert list(search(stack, library).incomplete) == [told]
    shown = stack.library(short_name(library)).index_state
    assert (shown.indexed_count, shown.expected_count) == (3, 9)
    status = stack.client.call(stack.client.stubs.status.GetStatus, GetStatusRequest())
    assert list(status.incomplete) == [told]
    stack.tell_filled(short_name(library))
    assert not search(stack, library).incomplete


def test_a_damaged_library_harms_no_other(stack: Indexed, library: Library, tmp_path: Path) -> None:
    """An empty file of one library, a start: others take uploads, and it is filled again."""
    before = search(stack, library)
    other = stack.running.library()
    stack.client.upload(other, short(tmp_path, 50))
    stack.running.stack._processes["index"].terminate()
    stack.running.stack._processes["index"].wait(30)
    folder = stack.running.stack.data_dir / "index" / "milvus.db" / "collections"
    (folder / f"audiosearch_{windows(library)}" / "schema.json").write_bytes(b"")
    begin(stack, "index")
    patiently(lambda: stack.client.upload(other, short(tmp_path, 51)))
    assert len(search(stack, stack.library(other)).matches) == 2
    until(lambda: complete(stack, library))
    assert search(stack, library) == before
    assert list((stack.running.stack.data_dir / "index").glob("*.damaged-*"))


def test_clips_from_before_are_kept_by_the_next_pass(stack: Indexed, library: Library) -> None:
    """What the index has of them is kept; then the index may be lost."""
    name, clips = short_name(library), sorted(stack.clips(short_name(library)))
    before = search(stack, library)
    wanted = LookupKeptVectorsRequest(parent=library.name, generation=1, clip_ids=clips)
    assert list(stack.catalog.vectors.LookupKeptVectors(wanted).clip_ids) == clips
    drop = DropKeptVectorsRequest(parent=library.name, before_generation=2)
    stack.catalog.vectors.DropKeptVectors(drop)
    assert not stack.catalog.vectors.LookupKeptVectors(wanted).clip_ids
    kill(stack, "gateway")
    begin(stack, "gateway")  # it sweeps when it starts
    until(lambda: list(stack.catalog.vectors.LookupKeptVectors(wanted).clip_ids) == clips)
    kill(stack, "embedding")
    lose(stack, windows(library), sorted(stack.vectors(windows(library))))
    until(lambda: complete(stack, library))
    assert stack.differences(name) == []
    assert search(stack, library) == before
    begin(stack, "embedding")
