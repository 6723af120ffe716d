"""The clips that a command is about: named ones, or all that fit, and one piece of work on each."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Annotated

import typer
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, Failure
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.uploading import failure_of

from audiosearch_cli.output import clip_name, complain, say
from audiosearch_cli.problems import Stopped, end
from audiosearch_cli.progress import Shown
from serving.errors import ServiceError
from serving.retry import patiently

AT_ONCE = 8
"""Clips that are worked on at the same time."""

TOLD = 20
"""Failures that are told one by one; the others are counted."""

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CLIP",
        help="libraries/LIBRARY/clips/ID as `search --json` and `clip list --json` print it, or "
        "the ID with --library. Without any, the clips of the library that fit the options.",
    ),
]
InLibrary = Annotated[
    str,
    typer.Option(
        "--library", "-l", envvar="DEFAULT_TABLE", help="Library of clips named by their ID alone."
    ),
]
All = Annotated[bool, typer.Option("--all", help="All clips of the library.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Work = Callable[[str], object]


def full_name(name: str, library: str) -> str:
    """The full name of a clip; a usage error if its library is not known."""
    if "/" not in name and not library:
        raise typer.BadParameter("name the library too: --library NAME", param_hint="CLIP")
    return clip_name(library, name)


def chosen(
    client: AudiosearchClient,
    names: list[str] | None,
    library: str,
    fit: ClipFilter,
    *,
    every: bool,
    state: Clip.State.ValueType = Clip.STATE_ACTIVE,
) -> list[str]:
    """The full names of the clips that a command is about, each once.

    Those that are not named are in `state`.

    Raises:
        typer.BadParameter: nothing is chosen, or in two ways.
    """
    narrowed = bool(fit.ByteSize())
    if bool(names) + narrowed + every != 1:
        raise typer.BadParameter(
            "name clips, or options that they fit such as --label, or --all; and only one of these",
            param_hint="CLIP",
        )
    if names:
        return list(dict.fromkeys(full_name(name, library) for name in names))
    if not library:
        raise typer.BadParameter("name the library", param_hint="--library")
    fit.state = state
    request = clip_pb2.ListClipsRequest(page_size=1000, filter=fit)
    return [clip.name for clip in client.clips(library, request)]


def get_clip(client: AudiosearchClient, name: str) -> Clip:
    """The row of a clip."""
    return client.call(client.stubs.clips.GetClip, clip_pb2.GetClipRequest(name=name))


def confirm(question: str, *, yes: bool) -> None:
    """Asks before much is changed; ends the command if the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Say so with --yes", param_hint="--yes")
    if not typer.confirm(question):
        raise typer.Exit


class Batch:
    """Works on many clips, a few at a time, and counts what is done and what failed."""

    def __init__(self, doing: str, did: str, *, quiet: bool, at_once: int = AT_ONCE) -> None:
        """Takes words such as `deleting` and `deleted`; `quiet` shows no progress."""
        self._at_once = at_once
        self._doing, self._did, self._quiet = doing, did, quiet
        self._stop = threading.Event()
        self.done = 0
        self.failures: list[tuple[str, str]] = []
        self.failed = 0

    def run(self, names: list[str], work: Work) -> None:
        """Does the work on each clip, again while a service is away or busy.

        Raises:
            ServiceError: what would fail for every other clip too.
            Stopped: after Ctrl-C.
        """
        running: dict[Future[object], str] = {}
        left = iter(names)
        with (
            ThreadPoolExecutor(self._at_once) as pool,
            Shown(self._doing, "clips", quiet=self._quiet) as shown,
        ):
            try:
                while True:
                    for name in left:
                        running[pool.submit(self._try, work, name)] = name
                        if len(running) >= 2 * self._at_once:
                            break
                    if not running:
                        break
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self.count(running.pop(future), _failure(future))
                    shown.show(self.done + self.failed, len(names))
            except BaseException as error:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                if isinstance(error, KeyboardInterrupt):
                    raise Stopped(f"after {self.done:,} of {len(names):,} clips") from None
                raise

    def tell(self, where: str = "", *, as_json: bool, then: str = "") -> None:
        """Prints the counts and `then`, and ends the command with the exit code for them."""
        if as_json:
            told = [{"clip": clip, "why": why} for clip, why in self.failures]
            counts = {"done": self.done, "failed": self.failed, "failures": told}
            sys.stdout.write(json.dumps(counts, ensure_ascii=False) + "\n")
        else:
            for clip, why in self.failures:
                complain(f"{clip}: {why}")
            if more := self.failed - len(self.failures):
                complain(f"and {more:,} more")
            say(f"{self.done:,} clips {self._did}{where}, {self.failed:,} failed")
            if then:
                say(then)
        end(self.done, self.failed)

    def _try(self, work: Work, name: str) -> object:
        return patiently(lambda: work(name), stop=self._stop)

    def count(self, name: str, failure: Failure | None) -> None:
        """Counts a clip that is done, or failed."""
        if failure is None:
            self.done += 1
            return
        self.failed += 1
        if len(self.failures) < TOLD:
            self.failures.append((name, f"{failure.reason}: {failure.message}"))


def _failure(future: Future[object]) -> Failure | None:
    try:
        future.result()
    except (ServiceError, OSError) as error:
        return failure_of(error)
    return None


def unique(name: str, taken: set[str]) -> str:
    """A name of a file that is not among those taken, in any case; it is taken from now on."""
    stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")
    number, found = 1, name
    while found.casefold() in taken:
        number += 1
        found = f"{stem} ({number}){dot}{ending}"
    taken.add(found.casefold())
    return found
