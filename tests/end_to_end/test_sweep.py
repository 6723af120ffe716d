"""Vectors and rows that got out of step are brought together again by the gateway itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, Failure
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1 import index_service_pb2 as index_pb2
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.libraries import indexes
from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.indexed import long
from tests.end_to_end.test_import import counts, run_import
from tools.servers.catalog_stubs import CatalogStubs
from tools.servers.processes import until

VALUES = [1.0, *[0.0] * 191]


@dataclass(frozen=True)
class Open:
    """A stack that sweeps every second, with the two services that it sweeps."""

    running: Running
    catalog: CatalogStubs
    index: IndexServiceStub

    def library(self) -> Library:
        """A new library."""
        name = f"libraries/{self.running.library()}"
        return self.catalog.libraries.GetLibrary(library_pb2.GetLibraryRequest(name=name))

    def upload(self, library: Library, path: Path) -> str:
        """Uploads a file; the clip's id."""
        short = library.name.removeprefix("libraries/")
        return id_of(self.running.client.upload(short, path).clip.name)

    def row(self, library: Library, clip_id: str) -> Clip:
        """The row of a clip."""
        request = clip_pb2.GetClipRequest(name=f"{library.name}/clips/{clip_id}")
        return self.catalog.clips.GetClip(request)

    def vectors(self, library: Library) -> set[str]:
        """Ids in the index that the library is searched in."""
        return self.ids(indexes.present(library).windows)

    def wholes(self, library: Library) -> set[str]:
        """Ids in the library's index of wholes."""
        return self.ids(indexes.present(library).wholes or "")

    def ids(self, index_id: str) -> set[str]:
        """Ids in an index."""
        request = index_pb2.ListVectorsRequest(index_id=index_id, page_size=10_000)
        return set(self.index.ListVectors(request).ids)

    def put(self, library: Library, *vectors: Vector) -> None:
        """Stores vectors in the index that the library is searched in."""
        request = index_pb2.UpsertVectorsRequest(
            index_id=indexes.present(library).windows, model=library.model, vectors=vectors
        )
        self.index.UpsertVectors(request)

    def lose(self, library: Library, *ids: str) -> None:
        """Removes vectors from the index that the library is searched in."""
        windows = indexes.present(library).windows
        self.index.DeleteVectors(index_pb2.DeleteVectorsRequest(index_id=windows, ids=ids))


def id_of(name: str) -> str:
    """The id in a clip's name."""
    return name.rsplit("/", 1)[1]


def window(clip_id: str, start: int | None) -> Vector:
    """A vector that is of no sound."""
    return Vector(id=indexes.window_id(clip_id, start), values=VALUES, clip_id=clip_id)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """A stack of its own, because the shared one sweeps once an hour."""
    settings = {"AUDIOSEARCH_RECONCILE_SECONDS": "0.5", "AUDIOSEARCH_SWEEP_SECONDS": "0.5"}
    with start(tmp_path_factory.mktemp("sweep"), **settings) as running:
        target = running.stack.addresses.target
        with (
            grpc.insecure_channel(target("catalog")) as catalog,
            grpc.insecure_channel(target("index")) as index,
        ):
            opened = Open(running, CatalogStubs(catalog), IndexServiceStub(index))
            # This library can't be finished. The others must not wait for it.
            stuck = Library(model="models/of-another-time-0123456789ab")
            opened.catalog.libraries.CreateLibrary(
                library_pb2.CreateLibraryRequest(library_id="a-stuck-one", library=stuck)
            )
            yield opened


def test_vectors_without_a_row_are_removed(stack: Open, sounds: Path) -> None:
    """They go if the row is gone, never existed or is FAILED. Vectors of other rows stay."""
    library = stack.library()
    kept = stack.upload(library, sounds / "bronze_bell_1.wav")
    made, failed = (
        stack.catalog.clips.CreateClip(clip_pb2.CreateClipRequest(parent=library.name))
        for _ in range(2)
    )
    failure = Failure(reason="AUDIO_SILENT", message="silent")
    stack.catalog.clips.FailClip(clip_pb2.FailClipRequest(name=failed.name, failure=failure))
    clips = ["0000", "01m00000000000000000000000", "zzzz", id_of(made.name), id_of(failed.name)]
    stack.put(library, *(window(clip_id, start) for clip_id in clips for start in (None, 0)))
    rows = {kept, id_of(made.name), indexes.window_id(id_of(made.name), 0)}
    until(lambda: stack.vectors(library) == rows)


def test_a_row_that_lost_its_vector_gets_it_again(stack: Open, sounds: Path) -> None:
    """Embedded from the stored audio; found as before."""
    library = stack.library()
    clips = {stack.upload(library, sounds / f"bronze_bell_{n}.wav") for n in (1, 2, 3)}
    (lost,) = sorted(clips)[1:2]
    stack.lose(library, lost)
    until(lambda: stack.vectors(library) == clips)
    short = library.name.removeprefix("libraries/")
    match = stack.running.client.search(short, sounds / "bronze_bell_2.wav").matches[0]
    assert id_of(match.clip.name) == lost
    assert match.score > 0.999


@pytest.mark.parametrize("which", ["windows", "wholes"])
def test_an_index_that_is_lost_is_made_again(
    stack: Open, sounds: Path, tmp_path: Path, which: str
) -> None:
    """With all that was in it: the audio is there, so nothing is lost."""
    library = stack.library()
    stack.upload(library, sounds / "bronze_bell_1.wav")
    stack.upload(library, long(tmp_path, 1))
    windows, wholes = stack.vectors(library), stack.wholes(library)
    index_id = getattr(indexes.present(library), which)
    stack.index.DropIndex(index_pb2.DropIndexRequest(index_id=index_id))

    def mended() -> bool:
        try:
            return (stack.vectors(library), stack.wholes(library)) == (windows, wholes)
        except grpc.RpcError:  # not there yet
            return False

    until(mended)


def test_a_long_clip_that_lost_a_window_gets_it_again(stack: Open, tmp_path: Path) -> None:
    """And its whole, and one that has too many gets rid of them."""
    library = stack.library()
    clip_id = stack.upload(library, long(tmp_path, 2))
    windows = stack.vectors(library)
    assert windows > {indexes.window_id(clip_id, 0), indexes.window_id(clip_id, 1500)}
    assert stack.row(library, clip_id).window_count == len(windows)
    assert stack.wholes(library) == {clip_id}
    stack.lose(library, indexes.window_id(clip_id, 1500))
    until(lambda: stack.vectors(library) == windows)
    stack.put(library, window(clip_id, 1), window(clip_id, None))
    until(lambda: stack.vectors(library) == windows)
    wholes = index_pb2.DeleteVectorsRequest(index_id=indexes.present(library).wholes, ids=[clip_id])
    stack.index.DeleteVectors(wholes)
    until(lambda: stack.wholes(library) == {clip_id})
    assert stack.vectors(library) == windows


def test_attributes_of_an_earlier_revision_are_replaced(stack: Open, tmp_path: Path) -> None:
    """The row was changed while the index was away."""
    library = stack.library()
    clip_id = stack.upload(library, long(tmp_path, 3))
    change = Clip(name=f"{library.name}/clips/{clip_id}", label="later")
    changed = stack.catalog.clips.UpdateClip(
        clip_pb2.UpdateClipRequest(clip=change, update_mask=FieldMask(paths=["label"]))
    )
    request = index_pb2.ListVectorsRequest(index_id=indexes.present(library).windows)
    until(lambda: set(stack.index.ListVectors(request).revisions) == {changed.revision})


def test_a_library_from_before_windows_is_kept_as_it_is(
    stack: Open, sounds: Path, tmp_path: Path
) -> None:
    """One vector for each clip, whatever its length; lost and strange ones are seen to."""
    model = stack.library().model
    made = stack.catalog.libraries.CreateLibrary(
        library_pb2.CreateLibraryRequest(library_id="from-before", library=Library(model=model))
    )
    assert made.generation == 0
    short = made.name.removeprefix("libraries/")
    clips = {
        id_of(stack.running.client.upload(short, path).clip.name)
        for path in (sounds / "bronze_bell_1.wav", long(tmp_path, 4))
    }
    assert stack.ids(made.uid) == clips
    stack.lose(made, min(clips))
    stack.put(made, Vector(id="zzzz", values=VALUES))
    until(lambda: stack.ids(made.uid) == clips)
    matches = stack.running.client.search(short, sounds / "bronze_bell_1.wav").matches
    assert {id_of(match.clip.name) for match in matches} == clips
    delete = clip_pb2.DeleteClipRequest(name=matches[0].clip.name)
    stack.running.client.call(stack.running.client.stubs.clips.DeleteClip, delete)
    assert stack.ids(made.uid) == clips - {id_of(delete.name)}


def test_bytes_of_a_half_deleted_clip_can_come_again(stack: Open, sounds: Path) -> None:
    """An upload or import does not wait for the caller that deletes it."""
    library = stack.library()
    short = library.name.removeprefix("libraries/")
    path = sounds / "bronze_bell_1.wav"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    folder = stack.running.folder()
    (folder / path.name).write_bytes(path.read_bytes())
    known = AudioObject(sha256=sha256, size_bytes=path.stat().st_size)
    request = clip_pb2.CreateClipRequest(parent=library.name, audio_object=known)
    for _ in range(2):
        left = stack.catalog.clips.CreateClip(request)
        stack.catalog.clips.BeginClipDeletion(clip_pb2.BeginClipDeletionRequest(name=left.name))
        job = run_import(stack.running, short, folder)
        assert counts(job) == (1, 1, 0, 0)
        (clip,) = stack.running.client.clips(short, clip_pb2.ListClipsRequest())
        stack.catalog.clips.BeginClipDeletion(clip_pb2.BeginClipDeletionRequest(name=clip.name))
        with pytest.raises(ServiceError) as raised:
            stack.running.client.upload(short, path)
        assert raised.value.reason is Reason.STATE_CONFLICT
        uploaded = stack.running.client.upload(short, path).clip
        delete = clip_pb2.DeleteClipRequest(name=uploaded.name)
        stack.running.client.call(stack.running.client.stubs.clips.DeleteClip, delete)
