"""A service that hangs: calls that need it fail soon with its reason, all else goes on."""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import ListLibrariesRequest
from audiosearch_client.client import AudiosearchClient

from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running
from tests.end_to_end.test_services import health
from tests.vowels import record
from tools.servers.processes import send_signal, until

PATIENCE = 40.0
"""Seconds that tell a hang from an answer: with them a call to what hangs would be cut off."""

REASONS = {
    "embedding": Reason.EMBEDDING_UNAVAILABLE,
    "index": Reason.INDEX_UNAVAILABLE,
    "catalog": Reason.CATALOG_UNAVAILABLE,
}
Call = Callable[[], object]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that is there and does nothing, for the block."""
    send_signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def outcome(call: Call) -> str:
    """OK, or the reason of the failure."""
    try:
        call()
    except ServiceError as error:
        return error.reason.value
    return "OK"


class Work:
    """Calls of each kind about a library with a few clips and a speaker."""

    def __init__(self, running: Running, client: AudiosearchClient, folder: Path) -> None:
        """Fills a new library."""
        self.running, self.client, self.library = running, client, running.library()
        self.takes = [record(folder, 0, number, 2.0) for number in range(6)]
        self.clip = client.upload(self.library, self.takes[0]).clip.name
        client.speakers.enroll(self.library, "ann", self.takes[1:3])
        self.folder = running.folder()
        for number in range(3):
            record(self.folder, 1, number, 2.0)

    def needing(self, service: str) -> list[Call]:
        """The calls that can't do without a service."""
        search = partial(self.client.search, self.library)
        calls: list[Call] = [
            self.upload,
            partial(search, self.takes[3]),
            partial(self.client.speakers.verify, self.library, "ann", self.takes[3]),
            self.rest,
        ]
        if service != "embedding":
            calls.append(partial(search, self.clip))
        if service == "catalog":
            calls.append(partial(self.client.download, self.clip, io.BytesIO()))
        return calls

    def sparing(self, service: str) -> list[Call]:
        """Calls that can do without it."""
        listed = partial(
            self.client.call, self.client.stubs.libraries.ListLibraries, ListLibrariesRequest()
        )
        embedded = partial(self.client.embed, self.takes[3])
        clip = partial(self.client.search, self.library, self.clip)
        return {
            "embedding": [listed, clip],
            "index": [listed, embedded],
            "catalog": [embedded],
        }[service]

    def upload(self) -> object:
        """The same upload each time."""
        return self.client.upload(self.library, self.takes[4], request_id="the one")

    def rest(self) -> None:
        """A search over REST."""
        url = f"{self.running.stack.web}v1/libraries/{self.library}/clips:search"
        with self.takes[3].open("rb") as file:
            answer = httpx.post(url, content=file.read(), timeout=PATIENCE)
        if answer.status_code != httpx.codes.OK:
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            error = answer.json()["error"]
            raise ServiceError(Reason[error["details"][0]["reason"]], error["message"])

    def ask_command(self, code: int, *options: object) -> str:
        """A search by the command line; gives what it complains of."""
        done = run(
            *("search", self.takes[3], "--library", self.library, *options),
            code=code,
            seconds=int(PATIENCE),
            AUDIOSEARCH_TARGET=self.running.stack.target,
        )
        return done.stderr

    def job(self, operation: str) -> ImportJob:
        """The state of an import."""
        return self.client.import_job(operation)[0]


@pytest.mark.parametrize("service", REASONS)
def test_what_hangs_is_named_and_stops_nothing_else(
    fragile: Running, service: str, tmp_path: Path
) -> None:
    """Calls under way and new ones fail; what needs it not goes on; all is well afterwards."""
    target, reason = fragile.stack.target, REASONS[service].value
    with AudiosearchClient(target, PATIENCE) as client, ThreadPoolExecutor(8) as pool:
        work = Work(fragile, client, tmp_path)
        needing = work.needing(service)
        with frozen(fragile.stack.pid(service)):
            under_way = [pool.submit(outcome, call) for call in needing]
            assert {each.result() for each in under_way} == {reason}
            assert {outcome(call) for call in work.sparing(service)} == {"OK"}
            assert {outcome(call) for call in needing} == {reason}
            assert reason in work.ask_command(1)
        until(lambda: health(target) == "SERVING")
        assert [outcome(call) for call in needing] == ["OK"] * len(needing)
        work.ask_command(0)
        names = [clip.name for clip in client.clips(work.library, clip_pb2.ListClipsRequest())]
        assert len(names) == len(set(names)) == 4


def test_a_gateway_that_hangs_is_told_by_its_clients(fragile: Running, tmp_path: Path) -> None:
    """In a sentence, whether or not they were connected."""
    with AudiosearchClient(fragile.stack.target, PATIENCE / 4) as client:
        work = Work(fragile, client, tmp_path)
        connected: list[Call] = [
            work.upload,
            partial(client.search, work.library, work.takes[3]),
            partial(client.search, work.library, work.clip),
        ]
        with frozen(fragile.stack.pid("gateway")), ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(outcome, call) for call in connected]
            told = pool.submit(work.ask_command, 1, "--timeout", 5)
            reasons = {each.result() for each in asked}
            assert reasons <= {"GATEWAY_UNAVAILABLE", "DEADLINE_EXCEEDED"}
            assert re.fullmatch("error: GATEWAY_UNAVAILABLE: .* does not answer.*\n", told.result())
        until(lambda: outcome(work.upload) == "OK")
        work.ask_command(0)


def test_the_supervisor_starts_what_hangs_again(fragile: Running, tmp_path: Path) -> None:
    """It says so. A gateway that answers NOT_SERVING meanwhile is left alone."""
    stack, lines = fragile.stack, list[str]()
    stack._report, stack._hung_seconds = lines.append, 12
    hung, gateway = stack.pid("index"), stack.pid("gateway")
    with AudiosearchClient(stack.target, PATIENCE) as client, ThreadPoolExecutor(1) as pool:
        work = Work(fragile, client, tmp_path)

        def wait() -> None:
            try:
                until(lambda: stack.pid("index") != hung)
                until(lambda: outcome(partial(client.search, work.library, work.clip)) == "OK")
            finally:
                stack.interrupt()

        send_signal(hung, signal.SIGSTOP)
        waiting = pool.submit(wait)
        try:
            stack.supervise()
        finally:
            stack._stopping.clear()
        waiting.result()
        assert lines == ["index answered nothing for 12 s, was stopped and is started again"]
        assert stack.pid("gateway") == gateway
        (match,) = client.search(work.library, work.takes[0], k=1).matches
        assert match.clip.name == work.clip


def test_an_import_goes_on_after_each_hang(fragile: Running, tmp_path: Path) -> None:
    """Each file of it once."""
    with AudiosearchClient(fragile.stack.target, PATIENCE) as client:
        work = Work(fragile, client, tmp_path)
        with frozen(fragile.stack.pid("embedding")):
            operation = client.import_folder(work.library, str(work.folder)).name
            assert outcome(work.upload) == "EMBEDDING_UNAVAILABLE"
        for service in ("index", "catalog"):
            with frozen(fragile.stack.pid(service)):
                until(lambda: health(fragile.stack.target) == "NOT_SERVING")
        until(lambda: client.import_job(operation)[1])
        job = work.job(operation)
        assert job.state == ImportJob.STATE_SUCCEEDED
        assert (job.progress.imported, job.progress.failed) == (3, 0)
