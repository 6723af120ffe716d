"""TLS files that are replaced while a process runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import grpc
import structlog

from serving.file_version import Version, version

if TYPE_CHECKING:
    from serving.tls.files import Tls

LOOK_SECONDS = 2.0
"""Time between two looks at the files."""

log = structlog.get_logger()


class Watched:
    """The files of a process, and whether there are new ones."""

    def __init__(self, tls: Tls) -> None:
        """Notes the present files."""
        self.tls = tls
        self._seen = self._version()

    def renewed(self) -> bool:
        """Returns True once for each change after which all files are usable.

        Files are replaced one after the other. While they don't belong together, or one of them is
        unusable, those before stay in use, and the log tells why.
        """
        now = self._version()
        if now == self._seen:
            return False
        self._seen = now
        try:
            self.tls.check()
        except ValueError as error:
            log.warning("tls.kept", why=f"the TLS files before stay in use: {error}")
            return False
        log.info("tls.renewed")
        return True

    def _version(self) -> tuple[Version | None, ...]:
        return tuple(map(version, (self.tls.cert, self.tls.key, self.tls.ca)))


async def follow(tls: Tls, renew: Callable[[], None]) -> None:
    """Calls `renew` after each change of the files, for ever; without files it ends at once."""
    watched = Watched(tls)
    while tls.cert or tls.ca:
        await asyncio.sleep(LOOK_SECONDS)
        if await asyncio.to_thread(watched.renewed):
            renew()


def server_credentials(tls: Tls) -> grpc.ServerCredentials | None:
    """The server's credentials, which new connections get from the files as they are then.

    With `ca`, clients need a certificate too. None without TLS.
    """
    if not (tls.cert and tls.key):
        return None
    watched, lock = Watched(tls), threading.Lock()

    def current() -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC at each handshake; None keeps the configuration before."""
        with lock:
            return _configuration(tls) if watched.renewed() else None

    # The stubs of its types leave out that None is allowed.
    fetcher = cast("Callable[[], grpc.ServerCertificateConfiguration]", current)
    return grpc.dynamic_ssl_server_credentials(
        _configuration(tls), fetcher, require_client_authentication=bool(tls.ca)
    )


def _configuration(tls: Tls) -> grpc.ServerCertificateConfiguration:
    assert tls.cert  # noqa: S101  for the type; the caller looked
    assert tls.key  # noqa: S101
    pair = (tls.key.read_bytes(), tls.cert.read_bytes())
    return grpc.ssl_server_certificate_configuration(
        [pair], tls.ca.read_bytes() if tls.ca else None
    )
