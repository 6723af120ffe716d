"""`client.operations`: imports that the server makes."""

from __future__ import annotations

from collections.abc import Iterator

from google.longrunning import operations_pb2

from audiosearch_client.api.clips import Progress
from audiosearch_client.api.given import InLibrary, library_of, operation_of
from audiosearch_client.client import AudiosearchClient, job_of
from audiosearch_client.results.imports import Import
from serving.errors import Reason, ServiceError


class Operations:
    """Starts, follows and cancels imports of folders of the server."""

    def __init__(self, calls: AudiosearchClient) -> None:
        """Calls through `calls`."""
        self._calls = calls
        self._stubs = calls.stubs.operations

    def start_import(
        self, library: InLibrary, folder: str, *, label: str = "", channel: int = 0
    ) -> Import:
        """Starts the import of a folder that the server may read, and does not wait for it.

        Args:
            library: the library.
            folder: absolute path, as the server knows it.
            label: label for every clip.
            channel: the channel to hear, counted from 1; 0 for all, mixed to one.
        """
        started = self._calls.import_folder(library_of(library), folder, label, channel)
        return Import(job_of(started), started.name)

    def get(self, operation: str | Import) -> Import:
        """Reads an import as it is now."""
        name = operation_of(operation)
        return Import(self._calls.import_job(name)[0], name)

    def list(self, library: InLibrary = "") -> Iterator[Import]:
        """Imports of the server, the newest first; of one library if it is named."""
        short = library_of(library)
        request = operations_pb2.ListOperationsRequest(name=f"libraries/{short}" if short else "")
        for page in self._calls.pages(self._stubs.ListOperations, request):
            for each in page.operations:
                yield Import(job_of(each), each.name)

    def watch(self, operation: str | Import) -> Iterator[Import]:
        """The states of an import, two a second, up to its end."""
        name = operation_of(operation)
        for job in self._calls.watch_import(name):
            yield Import(job, name)

    def wait(self, operation: str | Import, *, progress: Progress | None = None) -> Import:
        """Waits for the end of an import; `progress` is called with each of its states.

        Raises:
            ServiceError: that of the import, if it could not go on. Files that failed are told in
                the answer.
        """
        now = self.get(operation)
        for now in self.watch(operation):
            if progress:
                progress(now)
        if now.state == "failed":
            failure = now.message.failure
            raise ServiceError(Reason.named(failure.reason) or Reason.INTERNAL, failure.message)
        return now

    def cancel(self, operation: str | Import) -> None:
        """Cancels an import. It stops after the files in progress; their clips stay."""
        request = operations_pb2.CancelOperationRequest(name=operation_of(operation))
        self._calls.call(self._stubs.CancelOperation, request)
