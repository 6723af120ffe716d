"""Libraries and clips: read, list, change, delete, download."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from google.protobuf.field_mask_pb2 import FieldMask

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running


def create(shared: Running, name: str, request_id: str = "") -> Library:
    """Makes a library."""
    return shared.client.call(
        shared.client.stubs.libraries.CreateLibrary,
        library_pb2.CreateLibraryRequest(library_id=name, request_id=request_id),
    )


def delete(shared: Running, name: str, *, force: bool = False) -> None:
    """Deletes a library."""
    request = library_pb2.DeleteLibraryRequest(name=f"libraries/{name}", force=force)
    shared.client.call(shared.client.stubs.libraries.DeleteLibrary, request)


def test_a_library_is_bound_to_the_model_that_runs(shared: Running, library: str) -> None:
    """It says which."""
    request = library_pb2.GetLibraryRequest(name=f"libraries/{library}")
    found = shared.client.call(shared.client.stubs.libraries.GetLibrary, request)
    assert found.model.startswith("models/ecapatdnn_small-16k-")
    assert found.state == Library.STATE_ACTIVE
    assert found.clip_count == 0


def test_values_are_counted(shared: Running, library: str, sounds: Path) -> None:
    """The most frequent first, of the clips that a filter lists; an unknown field is refused."""
    for number, label in enumerate(["bell", "bell", "sword"], start=1):
        shared.client.upload(library, sounds / f"bronze_bell_{number}.wav", Clip(label=label))

    def counts(field: str, **fits: str) -> dict[str, int]:
        request = clip_pb2.CountValuesRequest(
            parent=f"libraries/{library}", field=field, filter=ClipFilter(**fits)
        )
        answer = shared.client.call(shared.client.stubs.clips.CountValues, request)
        return {each.value: each.clip_count for each in answer.values}

    assert list(counts("label").items()) == [("bell", 2), ("sword", 1)]
    assert counts("label", label="sword") == {"sword": 1}
    assert counts("speaker") == {"": 3}
    with pytest.raises(ServiceError) as raised:
        counts("colour")
    assert raised.value.reason is Reason.FIELD_INVALID


def test_a_library_of_a_model_that_does_not_run_is_refused(shared: Running) -> None:
    """MODEL_NOT_FOUND."""
    request = library_pb2.CreateLibraryRequest(
        library_id="other-model", library=Library(model="models/other-0123456789ab")
    )
    with pytest.raises(ServiceError) as raised:
        shared.client.call(shared.client.stubs.libraries.CreateLibrary, request)
    assert raised.value.reason is Reason.MODEL_NOT_FOUND


def test_a_name_is_taken_once(shared: Running) -> None:
    """Unless the same request is repeated."""
    first = create(shared, "taken", "request-1")
    assert create(shared, "taken", "request-1").uid == first.uid
    with pytest.raises(ServiceError) as raised:
        create(shared, "taken")
    assert raised.value.reason is Reason.LIBRARY_EXISTS


@pytest.mark.parametrize("name", ["../up", "a'; DROP TABLE libraries; --", "", "x" * 64, "ä"])
def test_other_names_are_refused(shared: Running, name: str) -> None:
    """FIELD_INVALID with the form."""
    with pytest.raises(ServiceError, match="letters, digits") as raised:
        create(shared, name)
    assert raised.value.reason is Reason.FIELD_INVALID


def test_a_library_with_clips_is_deleted_only_by_force(shared: Running, sounds: Path) -> None:
    """Then its name is free, and what was in it does not come back."""
    name = shared.library()
    shared.client.upload(name, sounds / "bronze_bell_1.wav")
    with pytest.raises(ServiceError) as raised:
        delete(shared, name)
    assert raised.value.reason is Reason.LIBRARY_NOT_EMPTY
    delete(shared, name, force=True)
    with pytest.raises(ServiceError) as raised:
        shared.client.search(name, sounds / "bronze_bell_1.wav")
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND
    create(shared, name)
    assert not shared.client.search(name, sounds / "bronze_bell_1.wav").matches


def test_clips_are_listed_in_pages_and_filtered(
    shared: Running, library: str, sounds: Path
) -> None:
    """The oldest first; each once."""
    names = []
    for number, path in enumerate(sorted(sounds.iterdir())[:7]):
        clip = Clip(label="even" if number % 2 == 0 else "odd", speaker=f"s{number % 3}")
        names.append(shared.client.upload(library, path, clip).clip.name)
    request = clip_pb2.ListClipsRequest(page_size=3)
    assert [clip.name for clip in shared.client.clips(library, request)] == names
    request = clip_pb2.ListClipsRequest(page_size=1, filter=ClipFilter(label="even", speaker="s0"))
    assert [clip.name for clip in shared.client.clips(library, request)] == [names[0], names[6]]
    bad = clip_pb2.ListClipsRequest(parent=f"libraries/{library}", page_token="x'; --")  # noqa: S106
    with pytest.raises(ServiceError) as raised:
        shared.client.call(shared.client.stubs.clips.ListClips, bad)
    assert raised.value.reason is Reason.FIELD_INVALID


def test_a_clip_is_changed_by_mask_and_search_shows_it(
    shared: Running, library: str, sounds: Path
) -> None:
    """Only what the mask names."""
    path = sounds / "bronze_bell_1.wav"
    clip = shared.client.upload(library, path, Clip(label="bell")).clip
    changed = Clip(name=clip.name, display_name="new", label="ignored")
    request = clip_pb2.UpdateClipRequest(
        clip=changed, update_mask=FieldMask(paths=["display_name"])
    )
    shared.client.call(shared.client.stubs.clips.UpdateClip, request)
    found = shared.client.search(library, path).matches[0].clip
    assert (found.display_name, found.label) == ("new", "bell")


def test_audio_comes_back_byte_for_byte_and_by_ranges(
    shared: Running, library: str, sounds: Path
) -> None:
    """With its size, kind and checksum."""
    path = sounds / "bronze_bell_1.wav"
    clip = shared.client.upload(library, path).clip
    whole, part = io.BytesIO(), io.BytesIO()
    stored = shared.client.download(clip.name, whole)
    assert whole.getvalue() == path.read_bytes()
    assert stored.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (stored.size_bytes, stored.content_type) == (path.stat().st_size, "audio/wav")
    shared.client.download(clip.name, part, offset=100, limit=50)
    assert part.getvalue() == path.read_bytes()[100:150]
    with pytest.raises(ServiceError) as raised:
        shared.client.download(clip.name, io.BytesIO(), offset=stored.size_bytes + 1)
    assert raised.value.reason is Reason.FIELD_INVALID


def test_a_clip_that_is_not_there_is_not_found(shared: Running, library: str) -> None:
    """To read, to change, to download, to delete."""
    name = f"libraries/{library}/clips/{'0' * 26}"
    stubs = shared.client.stubs
    calls = [
        lambda: shared.client.call(stubs.clips.GetClip, clip_pb2.GetClipRequest(name=name)),
        lambda: shared.client.call(stubs.clips.DeleteClip, clip_pb2.DeleteClipRequest(name=name)),
        lambda: shared.client.call(
            stubs.clips.UpdateClip, clip_pb2.UpdateClipRequest(clip=Clip(name=name, label="x"))
        ),
        lambda: shared.client.download(name, io.BytesIO()),
    ]
    for call in calls:
        with pytest.raises(ServiceError) as raised:
            call()
        assert raised.value.reason is Reason.CLIP_NOT_FOUND
