"""Uploads of many files: several at a time, each only once, also across short outages."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import grpc
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, Failure
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob
from audiosearch.gateway.v1.clips_pb2 import UploadClipResponse
from google.protobuf.field_mask_pb2 import FieldMask

from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.additions import complete
from audiosearch_client.corpora.entry import Entry, Source
from serving import limits
from serving.audio_files import count_clip
from serving.errors import Reason, ServiceError
from serving.retry import Retry, patiently

UPLOADS = 8
MAX_FAILURES = 20
_MOVING = {
    *(Reason.STATE_CONFLICT, Reason.CLIP_NOT_FOUND, Reason.AUDIO_NOT_FOUND),
    Reason.DEADLINE_EXCEEDED,
}
"""Reasons that an upload meets while the clip of an earlier, broken upload is being undone."""

CONFLICTS = 4
"""Tries of one file that meets one of them."""

_OF_NO_FILE = {
    *(reason for reason in Reason if reason.code is grpc.StatusCode.UNAVAILABLE),
    *(Reason.KEY_MISSING, Reason.KEY_INVALID, Reason.RIGHT_MISSING),
    *(Reason.LIBRARY_NOT_FOUND, Reason.MODEL_MISMATCH, Reason.STORAGE_FULL),
    Reason.QUOTA_EXCEEDED,
}
"""Reasons that would fail every other file too, so the import stops."""

LOCKS = 64
"""Locks that clips share by name, so that identical files change one clip in turn."""

KNOWN = 100_000
"""Clips of one import whose files are kept in mind, to tell of which file another is a copy."""

Report = Callable[[ImportJob], None]
Fail = Callable[[FileFailure], None]


class _Done(NamedTuple):
    clip: Clip
    created: bool
    """True if the file was new to the library."""

    labelled: bool
    """True if an existing clip got metadata of the file."""


class Duplicate(NamedTuple):
    """A file whose bytes the library had already, from another file."""

    path: str
    """Relative to the source's root."""

    of: str
    """The path of that file in the same import, or else the display name of the clip."""


class Uploader:
    """Uploads the entries of one source into one library.

    A clip that the library already had gets the metadata that it lacks. Entries without a path in
    their metadata add nothing, because only their name is known.
    """

    def __init__(
        self, client: AudiosearchClient, library: str, source: Source, channel: int = 0
    ) -> None:
        """Prepares the uploads that `work` does, of which one channel is heard, or all mixed."""
        self._channel = channel
        self._client = client
        self._library = library
        self._source = source
        self._stop = threading.Event()
        self._locks = tuple(threading.Lock() for _ in range(LOCKS))
        self.labelled = 0  # among the clips that the library already had
        self._paths: dict[str, str] = {}
        self.duplicates: list[Duplicate] = []  # the first ones
        self.duplicate_count = 0

    def work(self, job: ImportJob, report: Report, fail: Fail) -> None:
        """Uploads everything, in bounded memory.

        Args:
            job: gets the counts and the first failures.
            report: called after each file.
            fail: called for each file that fails.

        Raises:
            ServiceError: GATEWAY_UNAVAILABLE if the gateway stays away, and other failures that are
                not about one file. The same import, started again, continues from there.
        """
        with ThreadPoolExecutor(UPLOADS) as pool:
            running: dict[Future[_Done], Entry] = {}
            try:
                for entry in itertools.chain(self._source.entries(), _ends()):
                    if entry:
                        running[pool.submit(self._one, entry)] = entry
                    while len(running) >= (2 * UPLOADS if entry else 1):
                        for future in wait(running, return_when=FIRST_COMPLETED).done:
                            self._count(job, running.pop(future), future, fail)
                            report(job)
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        job.state = ImportJob.STATE_SUCCEEDED

    def _one(self, entry: Entry) -> _Done:
        """Uploads one file."""
        if entry.failure:
            raise entry.failure
        path = self._source.root / entry.path
        clip = Clip(
            display_name=limits.cut(Clip, "display_name", entry.display_name or path.name),
            label=entry.label,
            speaker=entry.speaker,
            metadata=entry.metadata,
            channel=self._channel,
        )

        def upload() -> _Done:
            answer = self._refer(entry, clip) if entry.uri else self._send(path, clip)
            return _Done(answer.clip, answer.created, self._label(answer.clip, clip))

        return patiently(upload, Retry(_MOVING, CONFLICTS), self._stop)

    def _send(self, path: Path, clip: Clip) -> UploadClipResponse:
        request_id = self._identify(path)
        return self._client.upload(self._library, path, clip, request_id, id_names_audio=True)

    def _refer(self, entry: Entry, clip: Clip) -> UploadClipResponse:
        text = f"{entry.version}\0{self._channel}" if self._channel else entry.version
        request_id = hashlib.sha256(text.encode()).hexdigest()
        return self._client.refer(self._library, entry.uri, clip, request_id, id_names_audio=True)

    def _label(self, had: Clip, told: Clip) -> bool:
        """Adds the metadata that a clip lacks; returns True if that was more than a path."""
        if not (told.metadata.get("path") and complete(had, told).fields):
            return False
        with self._locks[hash(had.name) % LOCKS]:
            # Metadata is replaced as a whole, and another file may have changed it since.
            request = clip_pb2.GetClipRequest(name=had.name)
            addition = complete(self._client.call(self._client.stubs.clips.GetClip, request), told)
            if addition.fields:
                change = clip_pb2.UpdateClipRequest(
                    clip=addition.clip, update_mask=FieldMask(paths=addition.fields)
                )
                self._client.call(self._client.stubs.clips.UpdateClip, change)
        return addition.labels

    def _count(self, job: ImportJob, entry: Entry, future: Future[_Done], fail: Fail) -> None:
        try:
            done = future.result()
        except (ServiceError, OSError) as error:
            failure = failure_of(error)
            job.progress.failed += 1
            told = FileFailure(path=entry.path, failure=failure)
            fail(told)
            if len(job.failures) < MAX_FAILURES:
                job.failures.append(told)
        else:
            count_clip(job.progress, done.clip, created=done.created)
            self.labelled += done.labelled and not done.created
            self._compare(entry, done)

    def _compare(self, entry: Entry, done: _Done) -> None:
        """Notes a file that is a copy of another one, under the name that both were found by."""
        other = "" if done.created else self._paths.get(done.clip.name, "")
        if not other and not done.created and not done.clip.metadata.get("path"):
            called = entry.display_name or entry.path.rpartition("/")[2]
            if limits.cut(Clip, "display_name", called) != done.clip.display_name:
                other = done.clip.display_name
        if other and other != entry.path:
            self.duplicate_count += 1
            if len(self.duplicates) < MAX_FAILURES:
                self.duplicates.append(Duplicate(entry.path, other))
        if len(self._paths) < KNOWN:
            self._paths.setdefault(done.clip.name, entry.path)

    def _identify(self, path: Path) -> str:
        """The request id of a readable file.

        It is a hash of the path, the size, the time of the last change, and the channel. By it the
        gateway knows a file that it has already, before it reads any audio. So an import continues
        where it stopped, without a journal.
        """
        real = Path(os.path.realpath(path))
        if self._source.confined and not real.is_relative_to(self._source.root):
            raise ServiceError(
                Reason.PATH_NOT_ALLOWED, "a link that leads outside the manifest's folder"
            )
        found = real.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ServiceError(Reason.AUDIO_UNDECODABLE, "not a regular file")
        text = f"{real}\0{found.st_size}\0{found.st_mtime_ns}"
        if self._channel:
            text += f"\0{self._channel}"
        return hashlib.sha256(os.fsencode(text)).hexdigest()


def _ends() -> Iterator[None]:
    yield None


def failure_of(error: ServiceError | OSError) -> Failure:
    """The failure of one file. An error that would fail every other file too is raised."""
    if isinstance(error, ServiceError):
        if error.reason in _OF_NO_FILE:
            raise error
        return Failure(reason=error.reason.value, message=error.message)
    return Failure(reason=Reason.PATH_NOT_FOUND.value, message=error.strerror or str(error))
