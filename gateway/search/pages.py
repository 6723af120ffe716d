"""Page tokens of searches: the question that they belong to, and the groups that were shown."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from audiosearch.gateway.v1.search_pb2 import SearchConfig

from serving import limits
from serving.errors import Reason, ServiceError

MOST_GROUPS = 1000
"""Groups that can be reached, page by page."""

_FIELD = "config.page_token"
_QUESTION_BYTES = 12
_GROUP_BYTES = 5
"""Bytes of a group in a token: of a thousand groups, two are alike once in two million searches."""


@dataclass(frozen=True)
class Page:
    """A page that is asked for."""

    question: bytes
    shown: frozenset[bytes] = frozenset()
    """Marks of the groups on the pages before."""

    def has(self, group: str) -> bool:
        """True if a page before showed the group of that name."""
        return bool(self.shown) and _mark(group) in self.shown

    def room(self, k: int) -> int:
        """Groups that this page may hold, at most k."""
        return min(k, MOST_GROUPS - len(self.shown))

    def following(self, groups: Iterable[str]) -> str:
        """Token of the page after this one, which shows these groups."""
        shown = sorted(self.shown | {_mark(group) for group in groups})
        return base64.urlsafe_b64encode(self.question + b"".join(shown)).decode().rstrip("=")


def question_of(config: SearchConfig, query: Collection[bytes]) -> bytes:
    """Marks a question: all of its config but for k and the page, and what its query is made of."""
    asked = SearchConfig()
    asked.CopyFrom(config)
    asked.ClearField("k")
    asked.ClearField("page_token")
    parts = hashlib.sha256(asked.SerializeToString(deterministic=True))
    for part in query:
        parts.update(hashlib.sha256(part).digest())
    return parts.digest()[:_QUESTION_BYTES]


def asked_for(config: SearchConfig, question: bytes) -> Page:
    """The page that the config asks for.

    Raises:
        ServiceError: FIELD_INVALID for a token that is none, that belongs to another question, or
            that leads past the last group that can be reached.
    """
    if not config.page_token:
        return Page(question)
    packed = _unpacked(config.page_token)
    marks = packed[_QUESTION_BYTES:]
    if len(packed) < _QUESTION_BYTES or len(marks) % _GROUP_BYTES:
        raise _refused("it is no token of a page")
    if packed[:_QUESTION_BYTES] != question:
        raise _refused(
            "it belongs to another question; send it with the query and the config of the page "
            "before, of which only k may differ"
        )
    shown = frozenset(
        marks[start : start + _GROUP_BYTES] for start in range(0, len(marks), _GROUP_BYTES)
    )
    if len(shown) >= MOST_GROUPS:
        raise _refused(f"a search reaches at most {MOST_GROUPS:,} groups; narrow it by a filter")
    return Page(question, shown)


def _unpacked(token: str) -> bytes:
    if len(token) > limits.of(SearchConfig, "page_token").max_length:
        raise _refused("it is no token of a page")
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise _refused("it is no token of a page") from error


def _mark(group: str) -> bytes:
    return hashlib.sha256(group.encode()).digest()[:_GROUP_BYTES]


def _refused(why: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{_FIELD}: {why}", {"field": _FIELD})
