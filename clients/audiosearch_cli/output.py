"""The options that commands share, the printing of answers and errors, and files written whole."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from audiosearch.catalog.v1.clip_pb2 import Clip
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
DEFAULT_TARGET = "localhost:50050"


def connect(target: str, ca: Path | None) -> AudiosearchClient:
    """A client of the gateway at `target`, with the API key of the environment."""
    key, file = os.environ.get("AUDIOSEARCH_API_KEY"), os.environ.get("AUDIOSEARCH_API_KEY_FILE")
    if file and not key:
        key = Path(file).read_text(encoding="utf-8").strip()
    try:
        return AudiosearchClient(target, key=key, ca=ca)
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


def complain(line: str) -> None:
    """Prints one line of error."""
    sys.stderr.write("error: " + " ".join(line.split()) + "\n")


def in_seconds(duration: Duration) -> str:
    """A duration for people."""
    return f"{duration.ToMilliseconds() / 1000:.2f} s"


def seconds(clip: Clip) -> str:
    """Length of a clip for people."""
    return in_seconds(clip.audio.duration) if clip.HasField("audio") else ""


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
