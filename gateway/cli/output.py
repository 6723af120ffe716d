"""What commands share: options, and how answers and errors are printed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from audiosearch.catalog.v1.clip_pb2 import Clip
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich.console import Console

from gateway.client import AudiosearchClient
from gateway.names import split_clip

console = Console()

Json = Annotated[bool, typer.Option("--json", help="Print the response message as JSON.")]
Target = Annotated[
    str, typer.Option("--target", envvar="AUDIOSEARCH_TARGET", help="Address of the gateway.")
]
LibraryName = Annotated[
    str, typer.Option("--library", "-l", envvar="DEFAULT_TABLE", help="Name of the library.")
]
DEFAULT_TARGET = "localhost:50050"


def connect(target: str) -> AudiosearchClient:
    """A client of the gateway at `target`."""
    return AudiosearchClient(target)


def print_json(message: Message) -> None:
    """Prints a message in protobuf's JSON mapping, fields that are empty included."""
    sys.stdout.write(
        MessageToJson(message, always_print_fields_with_no_presence=True, ensure_ascii=False) + "\n"
    )


def complain(line: str) -> None:
    """Prints one line of error."""
    sys.stderr.write("error: " + " ".join(line.split()) + "\n")


def seconds(clip: Clip) -> str:
    """Length of a clip for people."""
    return f"{clip.audio.duration.ToMilliseconds() / 1000:.2f} s" if clip.HasField("audio") else ""


def clip_id(clip: Clip) -> str:
    """The last part of a clip's name."""
    return split_clip(clip.name)[1]


def size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
