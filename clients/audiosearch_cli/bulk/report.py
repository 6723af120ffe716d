"""The end of a bulk import, as it is told to people and to programs."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from audiosearch_cli.output import say
from audiosearch_cli.rate import span

if TYPE_CHECKING:
    from audiosearch_bulk.files import File
    from audiosearch_bulk.loading import Loaded


def tell(done: Loaded, library: str, seconds: float, *, json: bool) -> None:
    """Tells of the clips that a load has made."""
    if json:
        print_json({**vars(done), "failures": [failure(each) for each in done.failures]})
        return
    say(
        f"{done.created:,} clips made in {library}, {done.existing:,} there already, "
        f"{done.before:,} loaded before, {done.unfit:,} without vectors, {done.failed:,} failed, "
        f"in {span(seconds)}"
    )
    if done.hidden:
        say(f"{library} shows them once all shards are loaded; without --at-once it does so now")
    tell_failures(done.failures, done.failed)


def tell_failures(failures: Sequence[File], count: int) -> None:
    """Tells of the first failures, and how many there are beside them."""
    for each in failures:
        say(f"  {each.path}: {each.reason}: {each.message}")
    if count > len(failures):
        say(f"  and {count - len(failures):,} more")


def failure(file: File) -> dict[str, str]:
    """A file that failed, for programs."""
    return {"path": file.path, "reason": file.reason, "message": file.message}


def print_json(value: dict[str, Any]) -> None:
    """Prints an object for programs."""
    sys.stdout.write(json_text.dumps(value, ensure_ascii=False) + "\n")
