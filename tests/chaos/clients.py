"""Client threads: a bounded stream of uploads, deletes, searches and imports, all written down."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import grpc
from audiosearch.catalog.v1.clip_pb2 import DeleteClipRequest, RestoreClipRequest
from audiosearch.gateway.v1.clips_pb2 import ImportClipsRequest
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch_client.client import AudiosearchClient

from serving.errors import Reason, ServiceError
from tests.chaos.ledger import DONE, Entry, Fate, Job, Ledger

TIMEOUT = 2.0
"""Seconds for a small call; streams of audio have sixty times as long."""

ATTEMPTS = 10
MAX_WAIT = 2.0
SAME = 0.999
"""Score from which on a match has the same audio."""

PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""Codes that a client may get while parts of the stack are gone: the outcome is unknown then."""

INCOMPLETE = "not found, and told incomplete"
"""Outcome of a search, beside that it was acknowledged."""

ResultT = TypeVar("ResultT")


class Client(threading.Thread):
    """A client that does one thing after the other until it is told to stop."""

    def __init__(
        self,
        target: str,
        library: str,
        ledger: Ledger,
        seed: int,
        pause: float,
        key: str | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Takes the gateway's address, and about how many seconds to wait between two things."""
        super().__init__(daemon=True)
        self.ledger = ledger
        self.library = library
        self.client = AudiosearchClient(target, timeout, key)
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self._pause = pause

    def run(self) -> None:
        """Goes on until `stopping` is set."""
        while not self.stopping.wait(self._pause * self.random.uniform(0.5, 1.5)):
            self.act()
        self.client.close()

    def act(self) -> None:
        """Does one thing."""
        raise NotImplementedError

    def attempt(
        self, operation: str, call: Callable[[], ResultT], *also: Reason
    ) -> ResultT | ServiceError:
        """Calls until it is answered; the last error if it never is.

        Args:
            operation: what it is counted as.
            call: the call.
            also: reasons after which it is called again, beside those that pass by themselves.
        """
        last: ServiceError | None = None
        for number in range(ATTEMPTS):
            began = time.monotonic()
            try:
                result = call()
            except ServiceError as error:
                last = error
                self.ledger.count(operation, error.reason.value, time.monotonic() - began)
                if error.code not in PASSING and error.reason not in also:
                    return error
                if self.stopping.wait(
                    min(0.2 * 2**number, MAX_WAIT) * self.random.uniform(0.7, 1.3)
                ):
                    break
            else:
                self.ledger.count(operation, DONE, time.monotonic() - began)
                return result
        assert last
        self.ledger.count(operation, "left unknown")
        return last


class Migrator(Client):
    """Has the library's indexes made anew, again and again."""

    def act(self) -> None:
        """See Client. One that is under way stays as it is."""
        request = MigrateLibraryRequest(name=f"libraries/{self.library}")
        self.attempt(
            "migrate", lambda: self.client.call(self.client.stubs.libraries.MigrateLibrary, request)
        )


class Uploader(Client):
    """Uploads new sounds, searches with those that are stored, deletes some of them."""

    def __init__(self, *arguments: object, folder: Path, may_lack: bool = False) -> None:
        """Writes its sounds into `folder`.

        With `may_lack` the index may be lost: an answer that says so need not have the sound.
        """
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.stored: list[Entry] = []
        self._folder = folder
        self._may_lack = may_lack

    def act(self) -> None:
        """See Client."""
        kind = self.random.random() if len(self.stored) > 3 else 0
        if kind < 0.5:
            self._upload()
        elif kind < 0.75:
            self._search(self.random.choice(self.stored))
        else:
            self._remove(self.stored.pop(self.random.randrange(len(self.stored))))

    def _upload(self) -> None:
        entry = self.ledger.new(self._folder)
        request_id = [uuid.uuid4().hex]

        def call() -> str:
            try:
                answer = self.client.upload(self.library, entry.path, request_id=request_id[0])
            except ServiceError as error:
                if error.code not in PASSING:
                    request_id[0] = uuid.uuid4().hex  # the clip of the last one is going
                raise
            return answer.clip.name

        answer = self.attempt("upload", call, Reason.STATE_CONFLICT, Reason.CLIP_NOT_FOUND)
        if isinstance(answer, str):
            entry.clip, entry.fate = answer, Fate.STORED
            self.stored.append(entry)
        elif answer.code not in PASSING and answer.code is not Reason.STATE_CONFLICT.code:
            self.ledger.violate(f"upload of {entry.path.name}: {answer.reason.value} {answer}")

    def _search(self, entry: Entry) -> None:
        answer = self.attempt("search", lambda: self.client.search(self.library, entry.path, k=3))
        if isinstance(answer, ServiceError):
            if answer.code not in PASSING:
                self.ledger.violate(f"search with {entry.path.name}: {answer.reason.value}")
            return
        matches = answer.matches
        if matches and matches[0].clip.name == entry.clip and matches[0].score >= SAME:
            return
        if self._may_lack and answer.incomplete:
            self.ledger.count("search", INCOMPLETE)
        else:
            found = [(match.clip.name, round(match.score, 4)) for match in matches]
            self.ledger.violate(f"search under way: {entry.clip} is not found first, but {found}")

    def _remove(self, entry: Entry) -> None:
        entry.fate = Fate.LEAVING
        tries = [0]

        def call() -> bool:
            tries[0] += 1
            try:
                request = DeleteClipRequest(name=entry.clip)
                self.client.call(self.client.stubs.clips.DeleteClip, request)
            except ServiceError as error:
                if error.reason is not Reason.CLIP_NOT_FOUND:
                    raise
                if tries[0] == 1:
                    self.ledger.violate(f"{entry.clip} was acknowledged, and is not there")
            return True

        answer = self.attempt("delete", call)
        if answer is True:
            entry.fate = Fate.DELETED
            if self.random.random() < 0.5:
                self._restore(entry)
        elif isinstance(answer, ServiceError) and answer.code not in PASSING:
            self.ledger.violate(f"delete of {entry.clip}: {answer.reason.value} {answer}")

    def _restore(self, entry: Entry) -> None:
        entry.fate = Fate.UNKNOWN
        request = RestoreClipRequest(name=entry.clip)
        call = self.client.stubs.clips.RestoreClip
        answer = self.attempt("restore", lambda: self.client.call(call, request).name)
        if answer == entry.clip:
            entry.fate = Fate.STORED
            self.stored.append(entry)
        elif isinstance(answer, ServiceError) and answer.code not in PASSING:
            self.ledger.violate(f"restore of {entry.clip}: {answer.reason.value} {answer}")


class Importer(Client):
    """Has folders of new sounds imported."""

    def __init__(self, *arguments: object, folder: Path, files: int, most: int) -> None:
        """Makes at most `most` folders of `files` sounds below `folder`."""
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._folder = folder
        self._files = files
        self._most = most

    def act(self) -> None:
        """See Client."""
        if len(self.ledger.jobs) >= self._most:
            return
        folder = self._folder / f"import-{len(self.ledger.jobs):03d}"
        folder.mkdir()
        job = Job(folder, [self.ledger.new(folder) for _ in range(self._files)])
        self.ledger.jobs.append(job)
        request = ImportClipsRequest(
            parent=f"libraries/{self.library}", folder=str(folder), request_id=uuid.uuid4().hex
        )
        answer = self.attempt(
            "import", lambda: self.client.call(self.client.stubs.clips.ImportClips, request).name
        )
        if isinstance(answer, str):
            job.operation = answer
        elif answer.code not in PASSING:
            self.ledger.violate(f"import of {folder.name}: {answer.reason.value} {answer}")
