"""A bulk import on Ray: planned, embedded and loaded, with the same vectors as by upload."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library, ListLibrariesRequest
from audiosearch.index.v1.index_service_pb2 import GetVectorsRequest

from serving.errors import ServiceError
from tests.end_to_end.command_line import AUDIOSEARCH, run
from tests.end_to_end.conftest import start
from tests.end_to_end.indexed import Indexed, long, opened, short
from tests.vowels import record
from tools.servers.ports import free_ports

SETTINGS = {"AUDIOSEARCH_MODELS": "voices", "AUDIOSEARCH_ENCODER_PRECISION": "fp32"}


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    """A stack of its own, so that Ray runs beside the other tests."""
    with start(tmp_path_factory.mktemp("bulk"), **SETTINGS) as running, opened(running) as made:
        yield made


def settings_for(indexed: Indexed, folder: Path) -> dict[str, str]:
    """The settings of a bulk import into a stack."""
    addresses = indexed.running.stack.addresses
    return {
        **SETTINGS,
        "AUDIOSEARCH_OFFLINE": "1",
        "PPSPEECH_HOME": str(folder / "no-cache"),
        "AUDIOSEARCH_CATALOG_TARGET": addresses.target("catalog"),
        "AUDIOSEARCH_INDEX_TARGET": addresses.target("index"),
        "AUDIOSEARCH_EMBEDDING_TARGET": addresses.target("embedding"),
    }


def run_bulk(
    settings: Mapping[str, str], *arguments: object, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Runs `audiosearch bulk` in a process of its own, which Ray may start others from."""
    done = subprocess.run(
        [AUDIOSEARCH, "bulk", *map(str, arguments)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def vectors(indexed: Indexed, library: str) -> dict[tuple[str, str], list[float]]:
    """The vectors of the windows of a library, by the hash of the audio and the place in it."""
    now, clips = indexed.library(library), indexed.clips(library)
    index = f"{now.uid}_w{now.generation}"
    request = GetVectorsRequest(index_id=index, ids=list(indexed.vectors(index)))
    found = indexed.index.GetVectors(request, timeout=30).vectors
    return {
        (clips[clip].audio_object.sha256, place): list(vector.values)
        for vector in found
        for clip, _, place in [vector.id.partition(":")]
    }


@pytest.mark.timeout(900)
def test_a_bulk_import_is_the_same_as_uploads(indexed: Indexed, tmp_path: Path) -> None:
    """Done twice it changes nothing; files that fail, or have changed, harm no other."""
    audio, folder = tmp_path / "audio", tmp_path / "bulk"
    audio.mkdir()
    good = [short(audio, 0), short(audio, 1), long(audio, 0), record(audio, 2, 0, seconds=4.0)]
    (audio / "bad.wav").write_bytes(b"RIFF1234WAVEjunk")
    changed, late = short(audio, 2), short(audio, 3)
    names = [*(path.name for path in good), "bad.wav", changed.name, late.name]
    rows = "".join(f"{name},voice {n},{n}\n" for n, name in enumerate(names))
    (audio / "list.csv").write_text(f"path,label,metadata.take\n{rows}")
    settings = settings_for(indexed, tmp_path)

    def bulk(*arguments: object, code: int = 0) -> dict[str, Any]:
        return json.loads(run_bulk(settings, *arguments, "--json", code=code).stdout)

    planned = bulk("plan", folder, "--manifest", audio / "list.csv", "--shard-files", 2)
    assert (planned["file_count"], planned["shard_count"]) == (7, 4)
    changed.write_bytes(late.read_bytes())
    embedded = bulk("embed", folder, "--workers", 1, code=3)
    assert (embedded["done"], embedded["failed"], embedded["before"]) == (5, 2, 0)
    reasons = {each["path"]: each["reason"] for each in embedded["failures"]}
    assert reasons == {"bad.wav": "AUDIO_UNDECODABLE", changed.name: "FILE_CHANGED"}
    again = bulk("embed", folder, code=3)
    assert (again["done"], again["failed"], again["before"]) == (5, 2, 7)

    kept = late.read_bytes()
    late.write_bytes(good[0].read_bytes())
    loaded = bulk("load", folder, "--library", "loaded", code=3)
    assert [loaded[key] for key in ("created", "existing", "unfit", "failed")] == [4, 0, 2, 1]
    assert [each["reason"] for each in loaded["failures"]] == ["FILE_CHANGED"]
    late.write_bytes(kept)
    rest = bulk("load", folder, "--library", "loaded")
    assert [rest[key] for key in ("created", "existing", "before", "failed")] == [1, 0, 6, 0]
    nothing = bulk("load", folder, "--library", "loaded")
    assert [nothing[key] for key in ("created", "existing", "before")] == [0, 0, 7]

    indexed.client.create_library("uploaded")
    for path in (*good, late):
        indexed.client.upload("uploaded", path)
    one, other = vectors(indexed, "loaded"), vectors(indexed, "uploaded")
    assert one.keys() == other.keys()
    assert len(one) > len(good) + 1
    assert min(np.dot(values, other[key]) for key, values in one.items()) > 0.99999
    assert indexed.differences("loaded") == []
    clips = indexed.clips("loaded").values()
    assert {(clip.label, clip.metadata["take"]) for clip in clips} == {
        (f"voice {n}", str(n)) for n in (0, 1, 2, 3, 6)
    }
    uploaded = {clip.audio_object.sha256: clip.audio for clip in indexed.clips("uploaded").values()}
    assert all(clip.audio == uploaded[clip.audio_object.sha256] for clip in clips)
    show_at_once(indexed, folder, settings, good[0])
    refuse(indexed, folder, settings)


def show_at_once(indexed: Indexed, folder: Path, settings: dict[str, str], sound: Path) -> None:
    """A new library is hidden until all shards are loaded, and then shows all of its clips."""

    def load(library: str, code: int = 0) -> dict[str, Any]:
        arguments = ("load", folder, "--library", library, "--at-once", "--json")
        return json.loads(run_bulk(settings, *arguments, code=code).stdout)

    client, stubs = indexed.client, indexed.client.stubs.libraries
    one = next(folder.glob("vectors/*/000003.parquet"))
    away = one.rename(folder / "away")
    some = load("hidden", code=1)
    assert some["hidden"]
    assert (some["created"], some["missing_shards"]) == (4, 1)
    shown = client.call(stubs.ListLibraries, ListLibrariesRequest(page_size=100)).libraries
    assert "libraries/hidden" not in {each.name for each in shown}
    for refused in (client.search, client.upload):
        with pytest.raises(ServiceError, match="is being loaded: its clips are there once"):
            refused("hidden", sound)
    request = CreateLibraryRequest(library_id="by-hand", library=Library(), loading=True)
    with pytest.raises(ServiceError, match="loading: is for `audiosearch bulk load --at-once`"):
        client.call(stubs.CreateLibrary, request)
    other = shutil.copytree(folder, folder.parent / "other", ignore=lambda *_: ["loaded", "away"])
    plan = json.loads((other / "plan.json").read_text())
    (other / "plan.json").write_text(json.dumps({**plan, "id": "1" * len(plan["id"])}))
    refused_load = run("bulk", "load", other, "--library", "hidden", code=1, **settings)
    assert "is being loaded at once from another folder" in refused_load.stderr
    away.rename(one)
    rest = load("hidden")
    assert not rest["hidden"]
    assert (rest["created"], rest["before"]) == (1, 6)
    assert indexed.library("hidden").state == Library.STATE_ACTIVE
    assert len(indexed.clips("hidden")) == 5
    assert indexed.differences("hidden") == []
    assert client.search("hidden", sound).matches[0].score > 0.999
    again = load("hidden")
    assert (again["created"], again["before"]) == (0, 7)
    used = run("bulk", "load", folder, "--library", "uploaded", "--at-once", code=1, **settings)
    assert "its clips come one by one: leave out --at-once" in used.stderr


def refuse(indexed: Indexed, folder: Path, settings: dict[str, str]) -> None:
    """A second load, a library of another model and a cluster that is away are told in words."""
    held = folder / "loaded" / indexed.library("loaded").uid / ".lock"
    with held.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = run("bulk", "load", folder, "--library", "loaded", code=1, **settings)
    assert "STATE_CONFLICT" in second.stderr
    of_vectors = CreateLibraryRequest(
        library_id="others", library=Library(model="models/elsewhere", dimension=8)
    )
    indexed.client.call(indexed.client.stubs.libraries.CreateLibrary, of_vectors)
    refused = run("bulk", "load", folder, "--library", "others", code=1, **settings)
    assert "MODEL_MISMATCH" in refused.stderr
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    refused = run_bulk(settings, "embed", folder, "--retry-failed", "--ray", nobody, code=1)
    assert f"EMBEDDING_UNAVAILABLE: no Ray cluster answers at {nobody}" in refused.stderr
