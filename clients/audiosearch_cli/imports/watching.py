"""`audiosearch import --watch`: the files that are new in a folder, round after round."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import replace

from audiosearch_client.corpora.entry import Entry, Source

ROUND_SECONDS = 2.0
Stamp = tuple[int, int]
"""Size and time of the last change of a file."""


class Watch:
    """Gives the files of a source that are new or changed, once they rest.

    It keeps a stamp for each file.
    """

    def __init__(self, source: Source) -> None:
        """Takes the source, of which nothing is known yet."""
        self._source = source
        self._taken: dict[str, Stamp] = {}
        self._last: dict[str, Stamp] = {}

    def rounds(self) -> Iterator[Source]:
        """Sources of files to import, as they come.

        The files of a source count as taken when the next one is asked for. A file that changed
        since the last look is left for the next: somebody may be writing it.
        """
        while True:
            fresh, stamps = self._look()
            if fresh:
                yield replace(self._source, entries=functools.partial(iter, fresh))
                self._taken.update(stamps)
            else:
                time.sleep(ROUND_SECONDS)

    def _look(self) -> tuple[list[Entry], dict[str, Stamp]]:
        now: dict[str, Stamp] = {}
        fresh = []
        for entry in self._source.entries():
            try:
                found = (self._source.root / entry.path).stat()
            except OSError:
                continue
            stamp = now[entry.path] = (found.st_size, found.st_mtime_ns)
            if self._taken.get(entry.path) != stamp and self._last.get(entry.path) == stamp:
                fresh.append(entry)
        self._last = now
        return fresh, {entry.path: now[entry.path] for entry in fresh}
