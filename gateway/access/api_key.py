"""API keys: the token that the owner holds, and the hash that the gateway keeps.

A token has 256 random bits, so it can't be guessed from its hash, and a fast hash is enough. Slow
hashes are for passwords that people choose. They would cost time at every call.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timezone

from pydantic import Field

from gateway.access.rights import Caller, Right

_TOKEN = re.compile(r"audiosearch_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class ApiKey(Caller):
    """A key as the gateway keeps it, with the hash of its token."""

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str = Field(min_length=1, max_length=63)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: datetime

    def fits(self, token: str) -> bool:
        """True if `token` is this key's. The check takes the same time for every token."""
        return hmac.compare_digest(self.sha256, _digest(token))


def make(
    name: str,
    grants: dict[str, Right],
    rate: int | None = None,
    max_clips: int | None = None,
    max_bytes: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its token, which is not stored; ValueError for a bad name, library or limit.

    Args:
        name: Purpose or owner of the key.
        grants: Its right to each library.
        rate: Calls a minute; None sets no limit.
        max_clips: Clips that it may have; None sets no limit.
        max_bytes: Bytes of audio that it may have; None sets no limit.
    """
    identity = secrets.token_hex(6)
    token = f"audiosearch_{identity}_{secrets.token_urlsafe(32)}"
    created = datetime.now(timezone.utc).replace(microsecond=0)
    return (
        ApiKey(
            id=identity,
            name=name,
            grants=grants,
            sha256=_digest(token),
            created=created,
            calls_per_minute=rate,
            max_clips=max_clips,
            max_bytes=max_bytes,
        ),
        token,
    )


def id_of(token: str) -> str | None:
    """The id in a token; None if the text is no token."""
    match = _TOKEN.fullmatch(token)
    return match[1] if match else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
