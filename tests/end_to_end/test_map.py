"""The map of a library, over the whole stack."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap
from audiosearch_client.client import AudiosearchClient
from google.protobuf.field_mask_pb2 import FieldMask

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running

PATIENCE = 90.0


def ask(client: AudiosearchClient, library: str, **fields: str) -> LibraryMap:
    """The map as it is now."""
    request = GetLibraryMapRequest(name=f"{library}/map", **fields)
    return client.call(client.stubs.libraries.GetLibraryMap, request)


def wait(
    client: AudiosearchClient, library: str, good: Callable[[LibraryMap], bool]
) -> tuple[LibraryMap, set[int]]:
    """Asks until a map is good; that, and the states on the way."""
    seen, until = set(), time.monotonic() + PATIENCE
    while True:
        found = ask(client, library)
        seen.add(found.state)
        if good(found):
            return found, seen
        assert time.monotonic() < until, found
        time.sleep(0.25)


def ready(found: LibraryMap) -> bool:
    """Returns True if no work is left."""
    return found.state == LibraryMap.STATE_READY


def test_what_sounds_alike_lies_together(shared: Running, filled: Library) -> None:
    """Rough at first, then READY: the nearest of most examples is of its own kind."""
    found, seen = wait(shared.client, filled.name, ready)
    assert seen <= {LibraryMap.STATE_PENDING, LibraryMap.STATE_ROUGH, LibraryMap.STATE_READY}
    assert (found.progress, found.clip_count, found.sampled_count) == (1, 20, 20)
    assert {point.display_name for point in found.points} >= {"bronze_bell_1.wav"}
    assert all(-1 <= value <= 1 for point in found.points for value in (point.x, point.y))
    assert all(point.duration.ToMilliseconds() > 500 for point in found.points)
    kinds = {point.clip: point.display_name.rpartition("_")[0] for point in found.points}
    same = 0
    for point in found.points:
        others = [other for other in found.points if other is not point]
        near = min(others, key=lambda o: (o.x - point.x) ** 2 + (o.y - point.y) ** 2)
        same += kinds[near.clip] == kinds[point.clip]
    assert same >= 15, same


def test_who_has_the_points_need_not_get_them_again(shared: Running, filled: Library) -> None:
    """The tag of the map takes their place; a token of another map is refused."""
    found, _ = wait(shared.client, filled.name, ready)
    again = ask(shared.client, filled.name, etag=found.etag)
    assert (again.etag, list(again.points), again.sampled_count) == (found.etag, [], 20)
    with pytest.raises(ServiceError) as raised:
        ask(shared.client, filled.name, page_token="other:1")  # noqa: S106  of a page
    assert raised.value.reason is Reason.FIELD_INVALID


def test_an_empty_library_has_an_empty_map(shared: Running, library: str) -> None:
    """READY, because there is nothing to wait for."""
    found, _ = wait(shared.client, f"libraries/{library}", ready)
    assert (list(found.points), found.sampled_count, found.progress) == ([], 0, 1)


def test_a_library_that_is_not_there_has_no_map(shared: Running) -> None:
    """And a name that names no map is told so."""
    with pytest.raises(ServiceError) as raised:
        ask(shared.client, "libraries/nobody")
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND
    with pytest.raises(ServiceError) as raised:
        shared.client.call(
            shared.client.stubs.libraries.GetLibraryMap,
            GetLibraryMapRequest(name="libraries/nobody"),
        )
    assert raised.value.reason is Reason.FIELD_INVALID


def test_a_map_follows_its_library(shared: Running, library: str, sounds: Path) -> None:
    """Labels, deletions and new clips show while the map is in use. Deleted clips go at once."""
    client, name = shared.client, f"libraries/{library}"
    first, second, third = sorted(sounds.iterdir())[:3]
    clips = [client.upload(library, path).clip for path in (first, second)]
    found, _ = wait(client, name, lambda it: ready(it) and len(it.points) == 2)
    clips[0].label = "bell"
    client.call(
        client.stubs.clips.UpdateClip,
        clip_pb2.UpdateClipRequest(
            clip=Clip(name=clips[0].name, label="bell"), update_mask=FieldMask(paths=["label"])
        ),
    )
    client.call(client.stubs.clips.DeleteClip, clip_pb2.DeleteClipRequest(name=clips[1].name))
    added = client.upload(library, third).clip

    def true(it: LibraryMap) -> bool:
        points = {point.clip: point.label for point in it.points}
        return ready(it) and points == {clips[0].name: "bell", added.name: ""}

    now, _ = wait(client, name, true)
    assert now.etag != found.etag
    client.call(
        client.stubs.libraries.DeleteLibrary,
        library_pb2.DeleteLibraryRequest(name=name, force=True),
    )
    with pytest.raises(ServiceError) as raised:
        ask(client, name)
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND
