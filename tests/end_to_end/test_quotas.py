"""Quotas of API keys, from the command that makes a key to the error that its owner reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1.clip_pb2 import DeleteClipRequest
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import (
    CreateLibraryRequest,
    DeleteLibraryRequest,
    GetLibraryRequest,
)
from audiosearch.gateway.v1 import library_service_pb2
from audiosearch_client.client import AudiosearchClient

from serving.errors import Reason, ServiceError
from tests.certificates import variables
from tests.end_to_end.command_line import run
from tests.end_to_end.guarded import Guarded
from tools.servers.processes import until

GET = library_service_pb2.DESCRIPTOR.services_by_name["LibraryService"].methods_by_name[
    "GetLibrary"
]


@pytest.fixture
def library(guarded: Guarded) -> Iterator[str]:
    """A library of the guarded stack, gone afterwards: other tests list all there are."""
    with guarded.client("operator") as client:
        create = CreateLibraryRequest(library_id="limited")
        name = client.call(client.stubs.libraries.CreateLibrary, create).name
        yield name.removeprefix("libraries/")
        delete = DeleteLibraryRequest(name=name, force=True)
        client.call(client.stubs.libraries.DeleteLibrary, delete)


def make_key(guarded: Guarded, library: str, *options: object) -> str:
    """Makes a key by the command, which works once the gateway has seen it."""
    file = ("--file", guarded.keyring)
    token = run("key", "create", "phone", "--write", library, *options, *file).stdout.strip()

    request = GetLibraryRequest(name=f"libraries/{library}")
    until(lambda: guarded.outcome(GET, request, token) is not Reason.KEY_INVALID)
    return token


def listed(guarded: Guarded) -> dict[str, object]:
    """The last key, as `key list` tells it where it reaches the catalog."""
    shown = run(
        *("key", "list", "--json", "--file", guarded.keyring),
        AUDIOSEARCH_CATALOG_TARGET=guarded.stack.addresses.target("catalog"),
        **variables(guarded.authority.issue("lister")),
    )
    keys: list[dict[str, object]] = json.loads(shown.stdout)
    return keys[-1]


def test_a_key_makes_as_many_clips_as_its_quota(
    guarded: Guarded, library: str, sounds: Path
) -> None:
    """By uploads, imports and the command line; a deleted clip makes room for another one."""
    token = make_key(guarded, library, "--max-clips", 3)
    files = sorted(sounds.iterdir())
    with AudiosearchClient(guarded.stack.target, key=token, ca=guarded.authority.ca) as client:
        made = client.upload(library, files[0]).clip
        operation = client.import_folder(library, str(sounds)).name
        until(lambda: client.import_job(operation)[1])
        job, _ = client.import_job(operation)
        assert job.state == ImportJob.STATE_FAILED
        assert job.failure.reason == Reason.QUOTA_EXCEEDED.value
        assert "'phone' has 3 of 3 clips" in job.failure.message
        assert (job.progress.imported, job.progress.failed) == (2, 0)
        with pytest.raises(ServiceError, match="3 of 3 clips") as raised:
            client.upload(library, files[-1])
        assert raised.value.reason is Reason.QUOTA_EXCEEDED
        wanted = DeleteClipRequest(name=made.name, permanent=True)
        client.call(client.stubs.clips.DeleteClip, wanted)
        client.upload(library, files[-1])
    its = listed(guarded)
    assert (its["name"], its["max_clips"], its["clip_count"]) == ("phone", 3, 3)
    said = run(
        *("import", sounds, "--library", library, "--from", "client"),
        code=1,
        AUDIOSEARCH_TARGET=guarded.stack.target,
        AUDIOSEARCH_API_KEY=token,
        AUDIOSEARCH_TLS_CA=str(guarded.authority.ca),
    )
    assert "QUOTA_EXCEEDED" in said.stderr + said.stdout


def test_a_key_stores_as_many_bytes_as_its_quota(
    guarded: Guarded, library: str, sounds: Path
) -> None:
    """What does not fit is not kept, also if its size is known at its end only."""
    first, second, *_ = sorted(sounds.iterdir())
    most = first.stat().st_size + 1000
    token = make_key(guarded, library, "--max-bytes", most)
    with AudiosearchClient(guarded.stack.target, key=token, ca=guarded.authority.ca) as client:
        client.upload(library, first)
        with pytest.raises(ServiceError, match="bytes of audio") as raised:
            client.upload(library, second)
        assert raised.value.reason is Reason.QUOTA_EXCEEDED
        found = client.search(library, first, k=10).matches
        assert [match.clip.display_name for match in found] == [first.name]
    its = listed(guarded)
    assert (its["max_bytes"], its["size_bytes"]) == (most, first.stat().st_size)
