"""Vectors and rows that got out of step are brought together again by the gateway itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Failure
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1 import index_service_pb2 as index_pb2
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.test_import import counts, run_import
from tools.servers.catalog_stubs import CatalogStubs
from tools.servers.processes import until


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

    def vectors(self, library: Library) -> set[str]:
        """Ids in the library's index."""
        request = index_pb2.ListVectorsRequest(index_id=library.uid)
        return set(self.index.ListVectors(request).ids)


def id_of(name: str) -> str:
    """The id in a clip's name."""
    return name.rsplit("/", 1)[1]


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
    values = [1.0, *[0.0] * 191]
    ids = ["0000", "01m00000000000000000000000", "zzzz", id_of(made.name), id_of(failed.name)]
    stack.index.UpsertVectors(
        index_pb2.UpsertVectorsRequest(
            index_id=library.uid,
            model=library.model,
            vectors=[Vector(id=id_, values=values) for id_ in ids],
        )
    )
    until(lambda: stack.vectors(library) == {kept, id_of(made.name)})


def test_a_row_that_lost_its_vector_gets_it_again(stack: Open, sounds: Path) -> None:
    """Embedded from the stored audio; found as before."""
    library = stack.library()
    clips = {stack.upload(library, sounds / f"bronze_bell_{n}.wav") for n in (1, 2, 3)}
    (lost,) = sorted(clips)[1:2]
    stack.index.DeleteVectors(index_pb2.DeleteVectorsRequest(index_id=library.uid, ids=[lost]))
    until(lambda: stack.vectors(library) == clips)
    short = library.name.removeprefix("libraries/")
    match = stack.running.client.search(short, sounds / "bronze_bell_2.wav").matches[0]
    assert id_of(match.clip.name) == lost
    assert match.score > 0.999


def test_an_index_that_is_lost_is_made_again(stack: Open, sounds: Path) -> None:
    """With all that was in it: the audio is there, so nothing is lost."""
    library = stack.library()
    clips = {stack.upload(library, sounds / f"bronze_bell_{n}.wav") for n in (1, 2)}
    stack.index.DropIndex(index_pb2.DropIndexRequest(index_id=library.uid))

    def mended() -> bool:
        try:
            return stack.vectors(library) == clips
        except grpc.RpcError:  # not there yet
            return False

    until(mended)


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
