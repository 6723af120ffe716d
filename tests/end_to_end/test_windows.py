"""The windows of long clips, from their upload to their end, on the whole stack."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_client.client import AudiosearchClient

from gateway.libraries import indexes
from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import Indexed, long, opened, short
from tests.end_to_end.test_services import launch
from tools.servers.processes import until


@pytest.fixture
def stack(shared: Running) -> Iterator[Indexed]:
    """The shared stack."""
    with opened(shared) as made:
        yield made


@pytest.fixture
def broken(fragile: Running) -> Iterator[Indexed]:
    """The stack whose services may be killed."""
    with opened(fragile) as made:
        yield made


def test_a_clip_has_as_many_vectors_as_windows(stack: Indexed, tmp_path: Path) -> None:
    """A short one has one, as before; a long one has also a whole. Nothing is left of either."""
    library = stack.running.library()
    ids = {}
    for name, path in (("short", short(tmp_path, 1)), ("long", long(tmp_path, 2))):
        ids[name] = stack.client.upload(library, path).clip.name.rpartition("/")[2]
    generation = indexes.present(stack.library(library))
    starts = [indexes.window_id(ids["long"], start) for start in range(0, 9001, 1500)]
    assert stack.vectors(generation.windows).keys() == {ids["short"], *starts}
    assert stack.vectors(generation.wholes or "").keys() == {ids["long"]}
    rows = stack.clips(library)
    assert (rows[ids["short"]].window_count, rows[ids["long"]].window_count) == (1, 7)
    assert not stack.differences(library)
    for id_ in ids.values():
        delete = clip_pb2.DeleteClipRequest(name=f"libraries/{library}/clips/{id_}")
        stack.client.call(stack.client.stubs.clips.DeleteClip, delete)
    assert not any(stack.vectors(index_id) for index_id in generation.kinds)


def test_the_same_bytes_again_change_nothing(stack: Indexed, tmp_path: Path) -> None:
    """Neither rows nor vectors."""
    library, path = stack.running.library(), long(tmp_path, 3)
    first = stack.client.upload(library, path, request_id="one")
    windows = stack.vectors(indexes.present(stack.library(library)).windows)
    for request_id in ("one", "two"):
        again = stack.client.upload(library, path, request_id=request_id)
        assert again.clip.name == first.clip.name
    assert stack.vectors(indexes.present(stack.library(library)).windows) == windows


def test_a_library_that_is_deleted_has_no_index_left(stack: Indexed, tmp_path: Path) -> None:
    """Whatever is in them."""
    library = stack.running.library()
    stack.client.upload(library, long(tmp_path, 4))
    kinds = indexes.present(stack.library(library)).kinds
    assert all(stack.has_index(index_id) for index_id in kinds)
    delete = library_pb2.DeleteLibraryRequest(name=f"libraries/{library}", force=True)
    stack.client.call(stack.client.stubs.libraries.DeleteLibrary, delete)
    assert not any(stack.has_index(index_id) for index_id in kinds)


@pytest.mark.parametrize("service", ["gateway", "index"])
def test_a_clip_whose_windows_were_half_stored_is_finished(
    broken: Indexed, tmp_path: Path, service: str
) -> None:
    """Its upload is cut off while windows come, and sent again."""
    library, path = broken.running.library(), long(tmp_path, 5, seconds=600)
    generation = indexes.present(broken.library(library))
    failed = list[ServiceError]()

    def upload() -> None:
        with AudiosearchClient(broken.running.stack.target) as client:
            try:
                client.upload(library, path, request_id="one")
            except ServiceError as error:
                failed.append(error)

    sending = threading.Thread(target=upload)
    sending.start()
    until(lambda: broken.vectors(generation.windows), 120)
    os.kill(broken.running.stack.pid(service), signal.SIGKILL)
    os.waitpid(broken.running.stack.pid(service), 0)
    sending.join(120)
    assert failed
    launch(broken.running, service)

    def sent() -> Clip | None:
        try:
            return broken.client.upload(library, path, request_id="one").clip
        except ServiceError as error:
            if error.reason not in {Reason.STATE_CONFLICT, Reason.CLIP_NOT_FOUND}:
                raise
            return None  # the first try is being undone

    until(lambda: (clip := sent()) and clip.state == Clip.STATE_ACTIVE, 120)
    (clip,) = broken.clips(library).values()
    assert clip.window_count > 390
    assert not broken.differences(library)
