"""The keys that the gateway knows, as currently in its file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from gateway.access import api_key, key_file
from gateway.access.rights import OPERATOR, Caller
from serving.errors import Reason, ServiceError
from serving.file_version import version

LOOK_SECONDS = 1.0
"""Time between two looks at the file. A revoked key works for so long at most."""

log = structlog.get_logger()


class Keyring:
    """Finds the caller of a token. Without a file of keys, every caller is the operator."""

    def __init__(self, path: Path | None) -> None:
        """Reads the file; KeyFileError if it is unusable."""
        self._path = path
        self._seen = version(path)
        self._problem = ""
        self._keys: key_file.Keys = key_file.read(path) if path else {}

    def authenticate(self, token: str | None) -> Caller:
        """The caller that `token` belongs to.

        Raises:
            ServiceError: KEY_MISSING, KEY_INVALID, or GATEWAY_UNAVAILABLE while the file can't be
                read, because keys may have been revoked since.
        """
        if self._path is None:
            return OPERATOR
        self.check()
        if not token:
            raise ServiceError(
                Reason.KEY_MISSING,
                "this gateway needs an API key: set AUDIOSEARCH_API_KEY, or send the metadata "
                "`authorization: Bearer KEY`",
            )
        key = self._keys.get(api_key.id_of(token) or "")
        if key is None or not key.fits(token):
            raise ServiceError(
                Reason.KEY_INVALID,
                "the gateway does not know this API key, or it was revoked; ask the operator for "
                "another",
            )
        return key

    def check(self) -> None:
        """Raises GATEWAY_UNAVAILABLE while the file can't be read."""
        if self._problem:
            raise ServiceError(
                Reason.GATEWAY_UNAVAILABLE,
                "the gateway can't read its API keys; the operator finds the reason in its log",
            )

    async def follow(self) -> None:
        """Reads the file again whenever it changes."""
        while self._path is not None:
            await asyncio.sleep(LOOK_SECONDS)
            await self._look(self._path)

    async def _look(self, path: Path) -> None:
        now = await asyncio.to_thread(version, path)
        if now == self._seen:
            return
        self._seen = now
        try:
            self._keys = await asyncio.to_thread(key_file.read, path)
        except key_file.KeyFileError as error:
            self._problem = str(error)
            log.error("keys.unreadable", why=self._problem)  # noqa: TRY400  the message says all
        else:
            self._problem = ""
            log.info("keys.read", count=len(self._keys))


def bearer(header: str | bytes | None) -> str | None:
    """The token in the value of an `authorization` header; None if it holds none."""
    scheme, _, token = header.partition(" ") if isinstance(header, str) else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else None
