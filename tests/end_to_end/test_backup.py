"""A backup of a stack in use, made, verified, restored onto an empty stack, and used to mend it."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library
from audiosearch.gateway.v1.clips_pb2 import NewVector
from audiosearch.gateway.v1.search_pb2 import SearchClipsResponse
from audiosearch_client.client import AudiosearchClient

from serving.errors import ServiceError
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.indexed import long, short
from tests.vowels import record
from tools.servers.catalog import objects
from tools.servers.seaweedfs import running, variables

LIBRARY, OTHER = "backed-up", "of-vectors"
MODEL = "models/elsewhere"
# One precision, so that queries have the same vectors on both stacks.
SETTINGS = {"AUDIOSEARCH_COMPARE_SECONDS": "1", "AUDIOSEARCH_ENCODER_PRECISION": "fp32"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack with a library of short and long clips with a speaker, and one of vectors."""
    folder = tmp_path_factory.mktemp("source")
    with start(folder, **SETTINGS) as running:
        name = LIBRARY
        running.client.create_library(name)
        for number in range(6):
            running.client.upload(name, short(folder, number), Clip(label=f"l{number % 2}"))
        running.client.upload(name, long(folder, 0))
        takes = [record(folder, 1, number, seconds=4.0) for number in range(3)]
        running.client.speakers.enroll(name, "anna", takes)
        vectors = CreateLibraryRequest(library_id=OTHER, library=Library(model=MODEL, dimension=8))
        running.client.call(running.client.stubs.libraries.CreateLibrary, vectors)
        items = [
            NewVector(clip=Clip(display_name=f"v{n}"), values=[1.0, *[0.1 * n] * 7])
            for n in range(3)
        ]
        running.client.upload_vectors(OTHER, MODEL, items)
        yield running


@pytest.fixture(scope="module")
def backup(source: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    folder = tmp_path_factory.mktemp("backups") / "today"
    done = run("backup", "create", folder, "--json", **addressed(source))
    told = json.loads(done.stdout)
    assert (len(told["libraries"]), told["clips"], told["unreadable"]) == (2, 13, [])
    assert [path.name for path in folder.parent.iterdir()] == ["today"]
    return folder


def addressed(running: Running) -> dict[str, str]:
    """The addresses of a stack, in the environment of a command."""
    stack = running.stack
    catalog = stack.addresses.target("catalog")
    return {"AUDIOSEARCH_TARGET": stack.target, "AUDIOSEARCH_CATALOG_TARGET": catalog}


def answers(client: AudiosearchClient, library: str) -> list[SearchClipsResponse]:
    """The answers of a library to each of its clips."""
    names = [clip.name for clip in client.clips(library, ListClipsRequest())]
    return [client.search_by_clip(library, name, k=10) for name in names]


@contextlib.contextmanager
def object_store() -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of audio in a real S3 server, and the variables that lead to it."""
    with running() as server:
        url = f"s3://{server.new_bucket()}/audio"
        keys = server.environment()
        with variables(keys):
            yield url, {**keys, "AUDIOSEARCH_AUDIO_URL": url}


def test_a_backup_answers_the_same_elsewhere(source: Running, backup: Path, tmp_path: Path) -> None:
    """Onto an empty stack with an object store: its indexes are filled, damaged audio is mended."""
    library, client = LIBRARY, source.client
    before = [answers(client, each) for each in (library, OTHER)]
    with object_store() as (url, store), start(tmp_path, **SETTINGS, **store) as target:
        run("backup", "restore", backup, **addressed(target))
        assert [answers(target.client, each) for each in (library, OTHER)] == before
        (take,) = [record(tmp_path, 1, 7, seconds=4.0)]
        one, other = [each.client.speakers.identify(library, take) for each in (source, target)]
        assert one == other
        lost = [clip.name for clip in target.client.clips(library, ListClipsRequest())][:2]
        for clip in lost:
            (stored,) = [each for each in objects(url) if clip.rpartition("/")[2] in str(each)]
            stored.unlink()
            with pytest.raises(ServiceError, match="gone"):
                target.client.download(clip, io.BytesIO())
        assert "2 clips is missing" in run("check", code=1, **addressed(target)).stdout
        assert "2 clips" in run("backup", "mend", backup, **addressed(target)).stdout
        for clip in lost:
            assert target.client.download(clip, io.BytesIO()).size_bytes
        run("backup", "create", tmp_path / "again", **addressed(target))
        run("backup", "verify", tmp_path / "again")
        for each in (library, OTHER):
            run("library", "delete", each, "--force", **addressed(target))
        assert not objects(url)
