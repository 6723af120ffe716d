"""Importing folders of the server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.gateway.v1 import clips_pb2
from google.longrunning import operations_pb2

from deploy import example_sounds
from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import AUDIOSEARCH
from tests.end_to_end.conftest import Running
from tests.end_to_end.test_services import health
from tools.servers.processes import until


def make_files(folder: Path, count: int, first: int = 0) -> None:
    """Writes short clips that all differ."""
    for number in range(first, first + count):
        sound = example_sounds.make("sword_clash", 1000 + number)[:4000]
        example_sounds.write(folder / f"{number:04}.wav", sound)


def finish(running: Running, operation: str, limit: float = 240) -> ImportJob:
    """Waits for the end of an import."""
    end = time.monotonic() + limit
    while True:
        job, done = running.client.import_job(operation)
        if done:
            return job
        assert time.monotonic() < end, "the import did not end"
        time.sleep(0.05)


def wait_for(running: Running, operation: str, condition: Callable[[ImportJob], bool]) -> ImportJob:
    """Waits for a state of an import on the way."""
    end = time.monotonic() + 120
    while True:
        job, done = running.client.import_job(operation)
        if condition(job):
            return job
        assert not done, "the import ended before"
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def run_import(running: Running, library: str, folder: Path) -> ImportJob:
    """Imports a folder to the end."""
    return finish(running, running.client.import_folder(library, str(folder)).name)


def counts(job: ImportJob) -> tuple[int, int, int, int]:
    """Total, imported, existing, failed."""
    progress = job.progress
    return progress.total, progress.imported, progress.existing, progress.failed


def test_a_folder_with_bad_files_is_imported_but_for_them(shared: Running, library: str) -> None:
    """Each bad file is told by name and reason; the others are searchable."""
    folder = shared.folder()
    make_files(folder, 5)
    (folder / "sub").mkdir()
    shutil.copy(folder / "0001.wav", folder / "sub" / "copy.WAV")
    (folder / "text.wav").write_text("not audio")
    (folder / "empty.mp3").touch()
    (folder / "half.flac").write_bytes(b"fLaC" + bytes(100))
    (folder / "notes.txt").write_text("not counted")
    os.mkfifo(folder / "pipe.wav")
    (folder / "out.wav").symlink_to("/etc/hostname")
    job = run_import(shared, library, folder)
    assert job.state == ImportJob.STATE_SUCCEEDED
    assert counts(job) == (11, 5, 1, 5)
    reasons = {failure.path: failure.failure.reason for failure in job.failures}
    assert reasons == {
        "empty.mp3": "AUDIO_UNDECODABLE",
        "half.flac": "AUDIO_UNDECODABLE",
        "out.wav": "PATH_NOT_ALLOWED",
        "pipe.wav": "AUDIO_UNDECODABLE",
        "text.wav": "AUDIO_UNDECODABLE",
    }
    answer = shared.client.search(library, folder / "0003.wav", k=10)
    assert answer.matches[0].clip.display_name == "0003.wav"
    assert answer.matches[0].clip.source == "0003.wav"
    assert len(answer.matches) == 5


def test_importing_twice_adds_nothing(shared: Running, library: str) -> None:
    """Imported clips are counted as existing."""
    folder = shared.folder()
    make_files(folder, 6)
    assert counts(run_import(shared, library, folder)) == (6, 6, 0, 0)
    make_files(folder, 2, first=6)
    assert counts(run_import(shared, library, folder)) == (8, 2, 6, 0)
    found = shared.client.search(library, folder / "0000.wav", k=100).matches
    assert len(found) == len({match.clip.name for match in found}) == 8


def test_many_copies_of_a_file_are_one_clip(shared: Running, library: str) -> None:
    """Met at the same time, good ones count as existing and bad ones fail for their own reason."""
    folder = shared.folder()
    make_files(folder, 1)
    (folder / "0000.txt").write_text("not audio")
    for number in range(12):
        shutil.copy(folder / "0000.wav", folder / f"good{number}.wav")
        shutil.copy(folder / "0000.txt", folder / f"bad{number}.wav")
    job = run_import(shared, library, folder)
    assert counts(job) == (25, 1, 12, 12)
    assert {failure.failure.reason for failure in job.failures} == {"AUDIO_UNDECODABLE"}
    assert len(list(shared.client.clips(library, clip_pb2.ListClipsRequest()))) == 1


def test_the_failures_beyond_the_first_twenty_are_listed_as_clips(
    shared: Running, library: str
) -> None:
    """The operation stays small."""
    folder = shared.folder()
    for number in range(25):
        (folder / f"{number:02}.wav").write_text(f"no audio {number}")
    operation = shared.client.import_folder(library, str(folder))
    job = finish(shared, operation.name)
    assert counts(job) == (25, 0, 0, 25)
    assert [failure.path for failure in job.failures] == [f"{n:02}.wav" for n in range(20)]
    request = clip_pb2.ListClipsRequest(
        filter=ClipFilter(state=Clip.STATE_FAILED, import_job=job.name)
    )
    failed = list(shared.client.clips(library, request))
    assert {clip.source for clip in failed} == {f"{n:02}.wav" for n in range(25)}


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("/etc", Reason.PATH_NOT_ALLOWED),
        ("{imports}/../..", Reason.PATH_NOT_ALLOWED),
        ("{imports}/missing", Reason.PATH_NOT_FOUND),
        ("relative", Reason.FIELD_INVALID),
        ("", Reason.FIELD_INVALID),
    ],
)
def test_other_folders_are_refused_at_once(
    shared: Running, library: str, folder: str, reason: Reason
) -> None:
    """No job is made for them."""
    with pytest.raises(ServiceError) as raised:
        shared.client.import_folder(library, folder.format(imports=shared.imports))
    assert raised.value.reason is reason


def test_an_unknown_library_is_refused(shared: Running) -> None:
    """LIBRARY_NOT_FOUND."""
    with pytest.raises(ServiceError) as raised:
        shared.client.import_folder("nowhere", str(shared.imports))
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


def test_a_repeated_request_id_is_one_import(shared: Running, library: str) -> None:
    """The same operation comes back."""
    folder = shared.folder()
    request = clips_pb2.ImportClipsRequest(
        parent=f"libraries/{library}", folder=str(folder), request_id="import-once"
    )
    first = shared.client.call(shared.client.stubs.clips.ImportClips, request)
    again = shared.client.call(shared.client.stubs.clips.ImportClips, request)
    assert again.name == first.name


def test_an_import_can_be_cancelled(shared: Running, library: str) -> None:
    """The import stops soon. Imported clips stay searchable."""
    folder = shared.folder()
    make_files(folder, 400)
    operation = shared.client.import_folder(library, str(folder))
    wait_for(shared, operation.name, lambda job: job.progress.imported > 0)
    shared.client.call(
        shared.client.stubs.operations.CancelOperation,
        operations_pb2.CancelOperationRequest(name=operation.name),
    )
    job = finish(shared, operation.name)
    assert job.state == ImportJob.STATE_CANCELLED
    assert 0 < job.progress.imported < 400
    request = clip_pb2.ListClipsRequest()
    assert len(list(shared.client.clips(library, request))) == job.progress.imported


def test_a_folder_that_vanishes_is_told_file_by_file(shared: Running, library: str) -> None:
    """The import ends; nothing is counted twice or forgotten."""
    folder = shared.folder()
    make_files(folder, 300)
    operation = shared.client.import_folder(library, str(folder))
    wait_for(shared, operation.name, lambda job: job.progress.imported > 0)
    shutil.rmtree(folder)
    job = finish(shared, operation.name)
    total, imported, existing, failed = counts(job)
    assert job.state == ImportJob.STATE_SUCCEEDED
    assert failed > 0
    assert existing == 0
    assert imported + failed >= min(total, 256)
    assert {failure.failure.reason for failure in job.failures} == {"PATH_NOT_FOUND"}


def test_operations_are_listed_waited_for_and_deleted(shared: Running, library: str) -> None:
    """The rest of google.longrunning.Operations."""
    folder = shared.folder()
    make_files(folder, 3)
    name = shared.client.import_folder(library, str(folder)).name
    operations = shared.client.stubs.operations
    request = operations_pb2.WaitOperationRequest(name=name)
    request.timeout.seconds = 2**62  # as long as it takes
    done = shared.client.call(operations.WaitOperation, request)
    assert done.done
    job = ImportJob()
    assert done.response.Unpack(job)
    assert job.progress.imported == 3
    listed = shared.client.call(
        operations.ListOperations,
        operations_pb2.ListOperationsRequest(name=f"libraries/{library}"),
    )
    assert [operation.name for operation in listed.operations] == [name]
    delete = operations_pb2.DeleteOperationRequest(name=name)
    shared.client.call(operations.DeleteOperation, delete)
    with pytest.raises(ServiceError) as raised:
        shared.client.import_job(name)
    assert raised.value.reason is Reason.IMPORT_JOB_NOT_FOUND


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_import_goes_on_after_the_gateway_dies(fragile: Running, number: signal.Signals) -> None:
    """The next gateway takes it up where it was: all files once, none twice."""
    folder, library = fragile.folder(), fragile.library()
    make_files(folder, 80)
    operation = fragile.client.import_folder(library, str(folder))
    wait_for(fragile, operation.name, lambda job: job.progress.imported >= 20)
    os.kill(fragile.stack.pid("gateway"), number)
    os.waitpid(fragile.stack.pid("gateway"), 0)
    fragile.stack.launch("gateway")
    fragile.stack.wait("gateway")
    job = finish(fragile, operation.name)
    assert job.state == ImportJob.STATE_SUCCEEDED
    assert counts(job) == (80, 80, 0, 0)
    clips = list(fragile.client.clips(library, clip_pb2.ListClipsRequest(page_size=1000)))
    assert sorted(clip.source for clip in clips) == [f"{n:04}.wav" for n in range(80)]
    found = fragile.client.search(library, folder / "0079.wav", k=1000).matches
    assert found[0].clip.source == "0079.wav"
    assert len({match.clip.name for match in found}) == 80


def test_an_import_waits_for_a_service_that_is_gone(fragile: Running) -> None:
    """A brown-out of the embedding service costs time, not files."""
    folder, library = fragile.folder(), fragile.library()
    make_files(folder, 60)
    operation = fragile.client.import_folder(library, str(folder))
    wait_for(fragile, operation.name, lambda job: job.progress.imported >= 5)
    os.kill(fragile.stack.pid("embedding"), signal.SIGKILL)
    os.waitpid(fragile.stack.pid("embedding"), 0)
    until(lambda: health(fragile.stack.target) == "NOT_SERVING")
    fragile.stack.launch("embedding")
    fragile.stack.wait("embedding")
    job = finish(fragile, operation.name)
    assert counts(job) == (60, 60, 0, 0)


def kill(running: Running, service: str) -> None:
    """Ends a service without a word."""
    os.kill(running.stack.pid(service), signal.SIGKILL)
    os.waitpid(running.stack.pid(service), 0)


def importing(running: Running, *arguments: object) -> subprocess.Popen[str]:
    """`audiosearch import` with these arguments, as it runs."""
    return subprocess.Popen(
        [AUDIOSEARCH, "import", *map(str, arguments), "--json"],
        env={**os.environ, "AUDIOSEARCH_TARGET": running.stack.target},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("where", ["client", "server"])
def test_the_command_waits_for_an_embedding_service_that_starts_late(
    fragile: Running, where: str
) -> None:
    """Right after `serve`, say: the library is not there yet either."""
    folder = fragile.folder()
    make_files(folder, 3)
    kill(fragile, "embedding")
    with importing(fragile, folder, "-l", f"late-{where}", "--from", where) as command:
        assert command.stderr
        assert "waiting: the embedding service" in command.stderr.readline()
        assert command.poll() is None
        fragile.stack.launch("embedding")
        out, err = command.communicate(timeout=240)
    assert command.returncode == 0, err
    assert json.loads(out)["progress"]["imported"] == "3"


def test_the_command_watches_on_when_the_gateway_is_back(fragile: Running) -> None:
    """The import goes on at the server, so its end is worth waiting for."""
    folder, library = fragile.folder(), fragile.library()
    make_files(folder, 3)
    kill(fragile, "embedding")  # so that the import can't end before the gateway does
    with importing(fragile, folder, "-l", library, "--from", "server") as command:
        jobs = operations_pb2.ListOperationsRequest(name=f"libraries/{library}")
        operations = fragile.client.stubs.operations
        until(lambda: fragile.client.call(operations.ListOperations, jobs).operations)
        time.sleep(1)  # until the command has its answer and watches
        kill(fragile, "gateway")
        assert command.stderr
        assert "waiting: no gateway answers" in command.stderr.readline()
        for service in ("embedding", "gateway"):
            fragile.stack.launch(service)
        out, err = command.communicate(timeout=240)
    assert command.returncode == 0, err
    assert json.loads(out)["progress"]["imported"] == "3"
