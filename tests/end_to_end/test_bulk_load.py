"""The load of a bulk import: the same clips after kills, and by a catalog of the version before."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ListClipsRequest
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties, Tag, WindowRule
from audiosearch.embedding.v1.embedding_service_pb2 import GetModelRequest
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch.index.v1.index_service_pb2 import SearchVectorsRequest
from audiosearch_bulk import planning
from audiosearch_bulk.files import Vectors, files_of, vector_table
from audiosearch_bulk.folder import Folder, read_batches, write_table
from audiosearch_bulk.loading import Loader, settings_of
from audiosearch_client.corpora.sources import folder_source
from google.protobuf.duration_pb2 import Duration

from gateway.clips import vectors as vectors_of_clips
from gateway.clips.batches import Batches
from tests.conftest import REPOSITORY
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import Indexed, opened, short
from tests.end_to_end.test_bulk import vectors
from tests.end_to_end.test_exports import addressed
from tools.servers.processes import until

COUNT = 8
"""Different files."""
LONG = 4
"""Windows of each third file, one of them silent; the others have one."""
VERY_LONG = 2 * vectors_of_clips.AT_ONCE
"""Windows of a recording that goes into the index in parts."""
POINTS = [
    ("_create_all", "after"),
    ("_put_all", "after"),
    ("_upsert_all", "after"),
    ("_activate_all", "after"),
]


@pytest.fixture(scope="module")
def indexed(shared: Running) -> Iterator[Indexed]:
    """The stack of all tests, and the services behind its gateway."""
    with opened(shared) as made:
        yield made


def make(indexed: Indexed, place: Path, copies: int = 0, long: int = LONG) -> Path:
    """Makes files with vectors of chance, and copies of one of them; the folder of the import."""
    audio, work = place / "audio", Folder(place / "bulk")
    audio.mkdir()
    for number in range(COUNT):
        short(audio, number).rename(audio / f"{number}.wav")
    for number in range(copies):
        shutil.copy(audio / "1.wav", audio / f"copy {number}.wav")
    plan, _ = planning.make(work, folder_source(audio), lambda *_: None)
    stubs = indexed.client.stubs
    model = indexed.client.call(stubs.models.GetModel, GetModelRequest(name="models/default"))
    heard, chance = AudioProperties(sample_rate=16_000, channels=1), np.random.default_rng(0)
    heard.duration.FromSeconds(3)
    rows = []
    for number, file in enumerate(files_of(next(read_batches(work.shard(0), 100, "")))):
        count = 1 if number % 3 else long
        starts = np.delete(np.arange(count), 1 if count > 1 else []) * 1_500_000_000
        values = chance.standard_normal((len(starts) + 1, model.dimension)).astype(np.float32)
        values /= np.linalg.norm(values, axis=1)[:, None]
        sha256 = hashlib.sha256((audio / file.path).read_bytes()).hexdigest()
        tags = [Tag(name="bell", score=0.5)]
        rows.append((file, Vectors(sha256, starts, values[1:], values[0], count, heard, tags)))
    table = vector_table(rows, plan.id, model.name, model.window_rule)
    write_table(work.vectors(model.name, 0), table)
    return work.path


@pytest.fixture(scope="module")
def folder(indexed: Indexed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an import of different files."""
    return make(indexed, tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="module")
def wanted(indexed: Indexed, folder: Path) -> dict[tuple[str, str], list[float]]:
    """The vectors of a library that was loaded in peace."""
    assert load(indexed, folder, "in-peace") == [COUNT, 0, 0]
    return vectors(indexed, "in-peace")


def load(indexed: Indexed, folder: Path, library: str) -> list[int]:
    """Loads; the numbers of files that were new, there, and failed."""
    command = ("bulk", "load", folder, "--library", library, "--json")
    told: dict[str, Any] = json.loads(run(*command, **addressed(indexed.running)).stdout)
    return [told[key] for key in ("created", "existing", "failed")]


def creating(indexed: Indexed, library: str) -> list[Clip]:
    """The clips of a library that are being made."""
    request = ListClipsRequest(filter=ClipFilter(state=Clip.STATE_CREATING))
    return list(indexed.client.clips(library, request))


@pytest.mark.parametrize("point", POINTS, ids="-".join)
def test_a_load_goes_on_where_one_was_killed(
    indexed: Indexed,
    folder: Path,
    wanted: dict[tuple[str, str], list[float]],
    point: tuple[str, str],
) -> None:
    """Rows without audio, audio without vectors and vectors of no ACTIVE clip become clips."""
    library = "-".join(point).strip("_").replace("_", "-")
    module = [sys.executable, "-m", "tests.end_to_end.stopping_load", folder, library]
    environment = indexed.running.stack._environment("gateway")
    killed = subprocess.run(
        [*map(str, module), *point],
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(indexed.clips(library)) < COUNT
    created, existing, failed = load(indexed, folder, library)
    assert (created + existing, failed) == (COUNT, 0)
    assert len(indexed.clips(library)) == COUNT
    assert creating(indexed, library) == []
    assert indexed.differences(library) == []
    assert vectors(indexed, library) == wanted


def test_copies_are_one_clip(indexed: Indexed, tmp_path: Path) -> None:
    """Also those that come in one batch."""
    folder = make(indexed, tmp_path, copies=3)
    assert load(indexed, folder, "copied") == [COUNT, 3, 0]
    assert len(indexed.clips("copied")) == COUNT
    assert indexed.differences("copied") == []


def test_all_windows_of_a_long_recording_have_its_length_and_tags(
    indexed: Indexed, tmp_path: Path
) -> None:
    """Also those that are stored first."""
    folder = make(indexed, tmp_path, long=VERY_LONG)
    assert load(indexed, folder, "long") == [COUNT, 0, 0]
    assert indexed.differences("long") == []
    library, clips = indexed.library("long"), indexed.clips("long")
    counts = {id_: clip.window_count for id_, clip in clips.items()}
    assert sorted(counts.values()) == [1] * 5 + [VERY_LONG - 1] * 3
    for id_, count in counts.items():
        request = SearchVectorsRequest(
            index_id=f"{library.uid}_w{library.generation}",
            model=library.model,
            k=1000,
            queries=[SearchVectorsRequest.Query(values=[1.0, *[0.0] * 191])],
            only_clip_ids=[id_],
            conditions=[
                Condition(field="tag", any_of=Condition.Values(values=["bell"])),
                Condition(field="duration", range=Condition.Range(minimum=2.9, maximum=3.1)),
            ],
        )
        (found,) = indexed.index.SearchVectors(request, timeout=30).results
        assert len(found.neighbors) == count


def test_a_library_in_migration_gets_both_kinds_of_vectors(
    indexed: Indexed, folder: Path, wanted: dict[tuple[str, str], list[float]]
) -> None:
    """The new ones are made of the audio, which is stored by then."""
    indexed.client.create_library("moving")
    second = Duration(seconds=1)
    rule = WindowRule(window=Duration(seconds=2), hop=second, single=Duration(seconds=3))
    request = MigrateLibraryRequest(name="libraries/moving", window_rule=rule, review=True)
    indexed.client.call(indexed.client.stubs.libraries.MigrateLibrary, request)
    assert load(indexed, folder, "moving") == [COUNT, 0, 0]
    library = indexed.library("moving")
    assert vectors(indexed, "moving") == wanted
    until(lambda: indexed.has_index(f"{library.uid}_w{library.migration.generation}"))
    coming = indexed.vectors(f"{library.uid}_w{library.migration.generation}")
    assert {id_.partition(":")[0] for id_ in coming} == indexed.clips("moving").keys()


def test_a_catalog_of_the_version_before_takes_audio_clip_by_clip(
    indexed: Indexed,
    folder: Path,
    wanted: dict[tuple[str, str], list[float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not know the call for the audio of many clips."""

    async def unknown(*_: object) -> None:
        metadata = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNIMPLEMENTED, metadata, metadata)

    monkeypatch.setattr(Batches, "_put_all", unknown)
    targets = addressed(indexed.running).values()
    loader = Loader(Folder(folder), settings_of(*targets), "by-the-old", "", lambda *_: None)
    loaded = asyncio.run(loader.run())
    assert (loaded.created, loaded.existing, loaded.failed) == (COUNT, 0, 0)
    assert indexed.differences("by-the-old") == []
    assert vectors(indexed, "by-the-old") == wanted
