"""The options that commands share, the printing of answers and errors, and files written whole."""

from __future__ import annotations

import functools
import inspect
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_client import environment
from audiosearch_client.client import AudiosearchClient
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serving.names import split_clip

PIPE_WIDTH = 200
SPOOL_BYTES = 8 * 2**20
"""A recording of more bytes, on its way into an archive or a catalog, waits in a file."""

BAR_WIDTH = 8
console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)

Json = Annotated[bool, typer.Option("--json", help="Print the response message as JSON.")]
Target = Annotated[
    str, typer.Option("--target", envvar="AUDIOSEARCH_TARGET", help="Address of the gateway.")
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        envvar="AUDIOSEARCH_TLS_CA",
        help="CA certificates for the gateway, in PEM; without them no TLS.",
    ),
]
LibraryName = Annotated[
    str, typer.Option("--library", "-l", envvar="DEFAULT_TABLE", help="Name of the library.")
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=0.001,
        envvar="AUDIOSEARCH_TIMEOUT",
        metavar="SECONDS",
        help="Longest wait for an answer. Calls that carry audio have sixty times as long, while "
        "the gateway gives signs of life.",
    ),
]
DEFAULT_TARGET = environment.DEFAULT_TARGET
DEFAULT_TIMEOUT = 60.0
_timeout: ContextVar[float] = ContextVar("timeout", default=DEFAULT_TIMEOUT)


def add_timeout(app: typer.Typer) -> None:
    """Gives the option --timeout to the commands of an app that ask a gateway."""
    for command in app.registered_commands:
        if command.callback and "target" in inspect.signature(command.callback).parameters:
            command.callback = _timed(command.callback)
    for group in app.registered_groups:
        if group.typer_instance:
            add_timeout(group.typer_instance)


def _timed(command: Callable[..., None]) -> Callable[..., None]:
    """A command with one more option, which `connect` uses."""
    own = inspect.signature(command, eval_str=True).parameters
    kind = inspect.Parameter.KEYWORD_ONLY
    option = inspect.Parameter("timeout", kind, default=DEFAULT_TIMEOUT, annotation=Timeout)

    @functools.wraps(command)
    def run(timeout: float, **given: Any) -> None:
        _timeout.set(timeout)
        command(**given)

    run.__annotations__ = {}
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=kind) for each in (*own.values(), option)]
    )
    return run


def connect(target: str, ca: Path | None) -> AudiosearchClient:
    """A client of the gateway at `target`, with the --timeout and the environment's API key."""
    try:
        return AudiosearchClient(target, _timeout.get(), environment.key(), ca)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def print_json(message: Message) -> None:
    """Prints a message in protobuf's JSON mapping, including empty fields."""
    sys.stdout.write(
        MessageToJson(message, always_print_fields_with_no_presence=True, ensure_ascii=False) + "\n"
    )


def say(line: str) -> None:
    """Prints a line without wrapping. Characters that control a terminal are replaced."""
    sys.stdout.write(
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) + "\n"
    )


def say_fields(rows: Iterable[tuple[str, str]]) -> None:
    """Prints names and values, one a line, without empty values."""
    for name, value in rows:
        if value:
            say(f"{name:14}{value}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table without empty columns. Ids and names are never cut."""
    filled = [n for n, _ in enumerate(columns) if not rows or any(row[n] for row in rows)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for n in filled:
        table.add_column(columns[n], overflow="fold", no_wrap=columns[n] == "clip")
    for row in rows:
        table.add_row(*(Text(row[n]) for n in filled))
    console.print(table)


def complain(line: str, word: str = "error") -> None:
    """Prints one line of error, its first word in red on a terminal."""
    told = Text.assemble((f"{word}:", "bold red"), " ", " ".join(line.split()))
    Console(stderr=True, soft_wrap=True, highlight=False).print(told)


def in_seconds(duration: Duration) -> str:
    """A duration for people."""
    return f"{duration.ToMilliseconds() / 1000:.2f} s"


def seconds(clip: Clip) -> str:
    """Length of a clip for people."""
    return in_seconds(clip.audio.duration) if clip.HasField("audio") else ""


def tags_of(clip: Clip) -> str:
    """The tags of a clip and their scores, for people."""
    return ", ".join(f"{tag.name} {tag.score:.2f}" for tag in clip.tags)


def share(rate: float) -> str:
    """A share from 0 to 1 for people."""
    return f"{100 * rate:.2f} %"


def draw_bar(score: float) -> str:
    """A score as a bar."""
    return "█" * round(max(score, 0) * BAR_WIDTH)


def clip_name(library: str, clip: str) -> str:
    """The full name of a clip, given its name or its id alone."""
    return clip if "/" in clip else f"libraries/{library}/clips/{clip}"


def clip_id(clip: Clip) -> str:
    """The last part of a clip's name."""
    return split_clip(clip.name)[1]


def pair(text: str) -> tuple[str, str]:
    """The key and the value of KEY=VALUE, for --metadata and the like."""
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="KEY=VALUE")
    return key, value


def size(count: int) -> str:
    """A number of bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name at the end. An error before leaves what was there."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as file:
        try:
            yield file
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).chmod(0o666 & ~_umask())
    Path(file.name).replace(path)


@contextmanager
def text_output(path: Path) -> Iterator[IO[str]]:
    """A text file that gets its name at the end; `-` is the standard output."""
    if path == Path("-"):
        yield sys.stdout
        return
    with written_whole(path) as file:
        text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
        yield text
        text.flush()
        text.detach()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
