"""`audiosearch import --watch`: the files that are new in a folder or a place, in rounds."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from audiosearch.catalog.v1.import_job_pb2 import ImportJob, ImportProgress
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Entry, Source
from audiosearch_client.uploading import Fail, Uploader

from audiosearch_cli.imports import report
from audiosearch_cli.output import complain
from audiosearch_cli.problems import Stopped
from serving.errors import Reason, ServiceError
from serving.objects.urls import is_url

ROUND_SECONDS = 2.0
"""Shortest pause between two looks."""

_REST = 10
"""Times as long as the server took to list a place until it is asked again."""

Stamp = tuple[int, int] | str
"""Size and time of the last change of a file, or the version of what is referred to."""


class Watch:
    """Gives the files of a source that are new or changed, once they rest.

    It keeps a stamp for each file.
    """

    def __init__(self, source: Source) -> None:
        """Takes the source, of which nothing is known yet."""
        self._source = source
        self._taken: dict[str, Stamp] = {}
        self._last: dict[str, Stamp] = {}
        self._told = ""

    def rounds(self) -> Iterator[tuple[Source, int]]:
        """Sources of files to import with their numbers, as they come.

        The files of a source count as taken when the next one is asked for. A file that changed
        since the last look is left for the next: somebody may be writing it. Objects of a store are
        there as a whole or not at all. While the server can't list a place, or nothing is there
        yet, it is asked again.

        Raises:
            ServiceError: the server will never list the place.
        """
        while True:
            start = time.monotonic()
            try:
                fresh, stamps = self._look()
            except ServiceError as error:
                if not (error.reason.temporary or error.reason is Reason.PATH_NOT_FOUND):
                    raise
                if error.message != self._told:
                    self._told = error.message
                    _tell(error)
                fresh, stamps = [], {}
            if fresh:
                yield replace(self._source, entries=functools.partial(iter, fresh)), len(fresh)
                self._taken.update(stamps)
                continue
            took = time.monotonic() - start if self._source.uri else 0
            time.sleep(max(ROUND_SECONDS, _REST * took))

    def _look(self) -> tuple[list[Entry], dict[str, Stamp]]:
        now: dict[str, Stamp] = {}
        fresh = []
        for entry in self._source.entries():
            stamp = self._stamp(entry)
            if stamp is None:
                continue
            now[entry.path] = stamp
            rests = is_url(entry.uri) or self._last.get(entry.path) == stamp
            if rests and self._taken.get(entry.path) != stamp:
                fresh.append(entry)
        self._last = now
        return fresh, {entry.path: now[entry.path] for entry in fresh}

    def _stamp(self, entry: Entry) -> Stamp | None:
        if self._source.uri:
            return entry.version or str(entry.failure)
        try:
            found = (self._source.root / entry.path).stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns


def watch_source(
    client: AudiosearchClient,
    library: str,
    source: Source,
    channel: int,
    fail: Fail,
    *,
    as_json: bool,
) -> None:
    """Imports the files that are in a folder or a place, or come into it, until Ctrl-C.

    Raises:
        Stopped: after Ctrl-C.
        ServiceError: a failure that would meet every file. While a service is away, the command
            waits, and tries the same files again.
    """
    sys.stderr.write(f"watching {source.where}; Ctrl-C stops it\n")
    sys.stderr.flush()
    imported = 0
    try:
        for fresh, number in Watch(source).rounds():
            start = time.monotonic()
            job = new_job(library, fresh, number)
            uploader = Uploader(client, library, fresh, channel)
            while True:
                try:
                    uploader.work(job, lambda _: None, fail)
                    break
                except ServiceError as error:
                    if not error.reason.temporary:
                        raise
                    _tell(error)
                    job.progress.CopyFrom(ImportProgress(total=job.progress.total))
                    uploader = Uploader(client, library, fresh, channel)
            imported += job.progress.imported
            if as_json:
                report.print_json(job, uploader, indent=None)
            else:
                seconds = time.monotonic() - start
                report.summarise(job, uploader, library, seconds, whole=None)
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise Stopped(
            f"{imported:,} imported; the same command goes on watching {source.where}"
        ) from None


def _tell(error: ServiceError) -> None:
    complain(f"{error.reason.value}: {error.message}", "waiting")


def new_job(library: str, source: Source, total: int) -> ImportJob:
    """A job of this command that has done nothing yet."""
    job = ImportJob(library=f"libraries/{library}", folder=source.where)
    job.progress.total = total
    job.progress.passed_over.update(source.passed_over)
    return job
