"""Ranges of bytes and conditional requests, by RFC 9110."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

from serving.errors import Reason, ServiceError

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Range:
    """The bytes to send: from `first` to `last`, both included."""

    first: int
    last: int
    partial: bool
    """True if a range was asked for."""

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.last - self.first + 1


def unchanged(headers: Headers, tag: str) -> bool:
    """True if the client already has the bytes of this entity tag, by `if-none-match`."""
    named = headers.get("if-none-match", "")
    return named.strip() == "*" or tag in re.findall(r'"[^"]*"', named)


def wanted(headers: Headers, tag: str, size: int) -> Range:
    """The range of `size` bytes to send.

    A request for several ranges, for other units than bytes, or for another entity by `if-range` is
    answered with all bytes, as the RFC allows.

    Raises:
        ServiceError: RANGE_INVALID if the range begins after the end.
    """
    whole = Range(0, size - 1, partial=False)
    asked = _RANGE.fullmatch(headers.get("range", ""))
    if not asked or asked.groups() == ("", "") or headers.get("if-range", tag).strip() != tag:
        return whole
    first, last = asked.groups()
    if not first:
        part = Range(max(0, size - int(last)), size - 1, partial=True)
    else:
        part = Range(int(first), min(int(last or size), size - 1), partial=True)
    if last and first and int(last) < int(first):
        return whole  # no range at all
    if part.length <= 0:
        raise ServiceError(
            Reason.RANGE_INVALID, f"range: the audio has {size:,} bytes", {"size": str(size)}
        )
    return part
