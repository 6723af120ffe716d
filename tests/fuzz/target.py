"""The stack that inputs are sent to, with a library of its own and the names in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from audiosearch.catalog.v1.clip_pb2 import ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import (
    CreateLibraryRequest,
    DeleteLibraryRequest,
    GetLibraryRequest,
    Library,
    ListLibrariesRequest,
)
from audiosearch.gateway.v1.clips_pb2 import ImportClipsRequest
from audiosearch_client.client import AudiosearchClient
from google.longrunning.operations_pb2 import ListOperationsRequest

from deploy.local_stack import SERVICES, LocalStack
from serving.errors import Reason, ServiceError
from tests.vowels import record

LIBRARY = "fuzz"
DOOMED = "fuzz-doomed"
"""The library that inputs may name where they delete one."""

TAKES = 3


@dataclass
class Target:
    """A running stack and the names that exist in it."""

    stack: LocalStack
    client: AudiosearchClient
    channels: dict[str, grpc.Channel]
    folder: Path
    """Holds the sounds that are uploaded; the gateway may import it if it is a root."""
    names: list[str] = field(default_factory=list)
    """Names of what is there: libraries, clips, speakers."""
    indexes: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=lambda: ["none"])
    model: str = ""
    before: set[str] = field(default_factory=set)
    """Libraries that were there before."""
    _takes: Iterator[int] = field(default_factory=itertools.count)

    @property
    def rest(self) -> tuple[str, int]:
        """Host and port of REST."""
        return "127.0.0.1", self.stack.addresses.rest

    def ports(self) -> list[tuple[str, int]]:
        """Names and ports of all that listens."""
        return [("rest", self.rest[1]), *self.stack.addresses.ports.items()]

    def restore(self) -> None:
        """Makes the libraries and clips that inputs removed again."""
        for name in (LIBRARY, DOOMED):
            self._make(name)
        library = self._get(f"libraries/{LIBRARY}")
        clips = self._clips()
        for _ in range(TAKES - len(clips)):
            path = record(self.folder, 1, next(self._takes))
            # Inputs may have left the library in a state in which it takes no clips.
            with self._unless(Reason.STATE_CONFLICT):
                clips.append(self.client.upload(LIBRARY, path).clip.name)
        self.indexes = [f"{library.uid}_{kind}{library.generation}" for kind in "wc"]
        self.model = library.model
        self.jobs = self._jobs()
        fixed = [f"libraries/{LIBRARY}", f"libraries/{LIBRARY}/speakers/ann", "operations/none"]
        self.names = [*fixed, *clips[:TAKES], library.uid]

    def clean(self) -> None:
        """Deletes the libraries that inputs made, as a user does."""
        for name in sorted(self.libraries() - self.before):
            self._delete(name)

    def libraries(self) -> set[str]:
        """Names of all libraries."""
        found, request = set[str](), ListLibrariesRequest(page_size=1000)
        while True:
            page = self.client.call(self.client.stubs.libraries.ListLibraries, request)
            found |= {library.name for library in page.libraries}
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def _make(self, name: str) -> None:
        """Creates a library if it is not there. One that is on its way out is deleted before."""
        with self._unless(Reason.LIBRARY_NOT_FOUND):
            if self._get(f"libraries/{name}").state != Library.STATE_DELETING:
                return
            self._delete(f"libraries/{name}")
        request = CreateLibraryRequest(library_id=name)
        self.client.call(self.client.stubs.libraries.CreateLibrary, request, patience=30)

    def _delete(self, name: str) -> None:
        request = DeleteLibraryRequest(name=name, force=True)
        with self._unless(Reason.LIBRARY_NOT_FOUND):
            self.client.call(self.client.stubs.libraries.DeleteLibrary, request, patience=30)

    def _get(self, name: str) -> Library:
        request = GetLibraryRequest(name=name)
        return self.client.call(self.client.stubs.libraries.GetLibrary, request)

    @contextmanager
    def _unless(self, reason: Reason) -> Iterator[None]:
        """Passes over one reason of a failure."""
        try:
            yield
        except ServiceError as error:
            if error.reason is not reason:
                raise

    def _jobs(self) -> list[str]:
        """Ids of imports of the library. There is one at least."""
        asked = ListOperationsRequest(name=f"libraries/{LIBRARY}", page_size=10)
        found = self.client.call(self.client.stubs.operations.ListOperations, asked).operations
        if not found:
            begun = ImportClipsRequest(parent=f"libraries/{LIBRARY}", folder=str(self.folder))
            with self._unless(Reason.STATE_CONFLICT):
                found = [self.client.call(self.client.stubs.clips.ImportClips, begun)]
        return [operation.name.rpartition("/")[2] for operation in found] or self.jobs

    def _clips(self) -> list[str]:
        clips = self.client.clips(LIBRARY, ListClipsRequest(page_size=100))
        return [clip.name for clip in itertools.islice(clips, 100)]


@contextmanager
def target(stack: LocalStack, folder: Path) -> Iterator[Target]:
    """A stack to send inputs to. Its libraries are deleted afterwards."""
    with AudiosearchClient(stack.target) as client, ExitStack() as open_:
        channels = {name: open_.enter_context(stack._channel(name)) for name in SERVICES}
        made = Target(stack, client, channels, folder)
        made.before = made.libraries()
        made.restore()
        yield made
