"""The rights of a caller to libraries, checked in the same way on every transport."""

from __future__ import annotations

from contextvars import ContextVar
from enum import Enum
from typing import Annotated

from audiosearch.catalog.v1.clip_pb2 import Quota
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import CHOSEN_ID

EVERY = "*"
"""The name, in a grant, for every library, also for those created later."""

MAX_GRANTS = 100
MOST_CALLS = 1_000_000
"""Highest rate of a key, calls a minute."""
MOST_OWNED = 2**63 - 1
"""Highest quota of a key, clips or bytes."""

Library = Annotated[str, StringConstraints(pattern=rf"^(\*|{CHOSEN_ID})$")]


class Right(str, Enum):
    """A right to a library. Each right includes those before it."""

    read = "read"
    """Search, list, show and download."""
    write = "write"
    """Upload, import, change and delete clips."""
    manage = "manage"
    """Create, change and delete the library itself."""

    def includes(self, other: Right) -> bool:
        """True if this right includes the other one."""
        order = list(Right)
        return order.index(self) >= order.index(other)


class Caller(BaseModel):
    """A caller: the id and name of its key, the key's right to each library, and its rate."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str
    name: str
    grants: dict[Library, Right] = Field(min_length=1, max_length=MAX_GRANTS)
    calls_per_minute: Annotated[int, Field(ge=1, le=MOST_CALLS)] | None = None
    """Calls that each gateway takes from it; None sets no limit."""
    max_clips: Annotated[int, Field(ge=1, le=MOST_OWNED)] | None = None
    """Clips that it may have in all libraries; None sets no limit."""
    max_bytes: Annotated[int, Field(ge=1, le=MOST_OWNED)] | None = None
    """Bytes of audio that it may have in all libraries; None sets no limit."""

    def quota(self) -> Quota:
        """The quota that its clips count for. Keys of one name share it."""
        return Quota(
            owner=limits.cut(Quota, "owner", self.name) if self.id else "",
            max_clips=self.max_clips or 0,
            max_bytes=self.max_bytes or 0,
        )

    def may(self, library: str, right: Right) -> bool:
        """True if the caller has the right to `libraries/{library}`, or to EVERY library."""
        names = (library.removeprefix("libraries/"), EVERY)
        granted = (self.grants.get(name) for name in names)
        return any(each is not None and each.includes(right) for each in granted)

    def readable(self) -> list[str] | None:
        """Short names of the libraries that the caller may read, sorted; None for all."""
        return None if self.may(EVERY, Right.read) else sorted(self.grants)


OPERATOR = Caller(id="", name="operator", grants={EVERY: Right.manage})
"""The caller of every call to a gateway without keys."""

caller: ContextVar[Caller] = ContextVar("caller")
"""The caller that this task works for."""

quota: ContextVar[Quota | None] = ContextVar("quota", default=None)
"""The quota that the clips count for that this task makes; None for nobody's."""


def authorize(key: Caller, library: str, right: Right) -> None:
    """Raises RIGHT_MISSING unless the key has a right to a library, `libraries/{library}`.

    The answer depends on the key alone, so it does not reveal if there is such a library.
    """
    if not key.may(library, right):
        raise ServiceError(
            Reason.RIGHT_MISSING,
            f"the API key {key.name!r} lacks the right to {right.value} {library}; "
            "ask the operator for one that has it",
            {"right": right.value, "library": library},
        )
