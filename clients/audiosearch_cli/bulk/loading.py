"""Vectors of a folder become clips, with progress: of a bulk import, or of an export."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from audiosearch_cli.bulk import report
from audiosearch_cli.problems import CommandError, Stopped, end
from audiosearch_cli.progress import Shown

if TYPE_CHECKING:
    from audiosearch_bulk.loading import Loader


def run(
    make: Callable[[Callable[[int, int], None]], Loader],
    library: str,
    *,
    doing: str,
    things: str,
    missing: str,
    json: bool,
) -> None:
    """Loads to the end, tells of it, and gives the exit code.

    Args:
        make: makes the loader, of what shows its progress.
        library: short name of the library.
        doing: what is done, beside the progress.
        things: what is counted when it is stopped.
        missing: what to say of shards without vectors, after their number.
        json: True to tell programs.

    Raises:
        Stopped: after Ctrl-C.
        CommandError: shards have no vectors.
    """
    start = time.monotonic()
    with Shown(doing, quiet=json) as shown:
        loader = make(shown.show)
        try:
            done = asyncio.run(loader.run())
        except KeyboardInterrupt:
            raise Stopped(
                f"after {loader.loaded.done:,} of {loader.loaded.total:,} {things}; the same "
                "command goes on from there"
            ) from None
    report.tell(done, library, time.monotonic() - start, json=json)
    if done.missing_shards:
        raise CommandError(f"{done.missing_shards:,} {missing}")
    end(done.created + done.existing + done.before, done.failed)
