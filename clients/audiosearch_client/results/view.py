"""Base of the answers: a message of the contracts, and its parts as values of Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from html import escape
from typing import Generic, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

MessageT = TypeVar("MessageT", bound=Message)


class View(Generic[MessageT]):
    """An answer. `message` is all of it, as the contract has it."""

    def __init__(self, message: MessageT) -> None:
        """Shows a message."""
        self.message = message

    def __repr__(self) -> str:
        """Its kind and the parts that matter most, in a line."""
        return f"{type(self).__name__}({', '.join(self._told())})"

    def __eq__(self, other: object) -> bool:
        """True for the same kind of answer with an equal message."""
        return isinstance(other, View) and type(other) is type(self) and self._same(other)

    __hash__ = None  # type: ignore[assignment]  # messages change

    def _same(self, other: View[MessageT]) -> bool:
        return bool(self.message == other.message)

    def _told(self) -> Iterator[str]:
        """The parts of its short form."""
        raise NotImplementedError


def seconds(duration: Duration) -> float:
    """A duration in seconds."""
    return duration.ToNanoseconds() / 1e9


def moment(time: Timestamp) -> datetime:
    """A time in UTC."""
    return time.ToDatetime(timezone.utc)


def last(name: str) -> str:
    """The last part of a name."""
    return name.rpartition("/")[2]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table for notebooks. All texts are escaped; columns without any text are left out."""
    rows = list(rows)
    filled = [n for n, _ in enumerate(columns) if not rows or any(row[n] for row in rows)]
    head = "".join(f"<th>{escape(columns[n])}</th>" for n in filled)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'>{escape(row[n])}</td>" for n in filled)
        + "</tr>"
        for row in rows
    )
    told = f"<caption style='text-align:left'>{escape(caption)}</caption>" if caption else ""
    return f"<table>{told}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
