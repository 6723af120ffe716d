"""The origins that may call from a browser. Otherwise any site could call as its visitor."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.rest.http.boundary import PROBE
from serving.errors import Reason, ServiceError

_LOCAL = ("localhost", "127.0.0.1", "::1")
_READING = ("GET", "OPTIONS")


class Origins:
    """Lets calls pass from outside a browser, from pages of this server and from listed origins.

    If every caller on this machine may do everything, the server must be called by this machine's
    own name. Otherwise another site could let its name resolve to this machine.
    """

    def __init__(self, app: ASGIApp, listed: Collection[str], local_host: str | None) -> None:
        """Wraps `app`.

        Args:
            app: the next layer.
            listed: origins that may call.
            local_host: the only name, besides those of loopback, by which the server may be called;
                None for any.
        """
        self._app = app
        self._listed = frozenset(listed)
        self._names = None if local_host is None else {*_LOCAL, local_host.strip("[]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or raises ORIGIN_NOT_ALLOWED. Probes may call by any name."""
        if scope["path"] != PROBE:
            self._check(scope)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        # Every browser names a host. HTTP/1.0 does not ask for one.
        nameless = not host and scope["http_version"] == "1.0"
        if self._names and not nameless and _name(host) not in self._names:
            raise _refused("host", host, "call this gateway as localhost")
        if origin and scope["method"] not in _READING and not self._may(origin, host):
            raise _refused(
                "origin", origin, "its operator can list the page in AUDIOSEARCH_CORS_ORIGINS"
            )

    def _may(self, origin: str, host: str) -> bool:
        return origin in self._listed or (bool(host) and origin.partition("://")[2] == host)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _refused(header: str, value: str, what_to_do: str) -> ServiceError:
    return ServiceError(
        Reason.ORIGIN_NOT_ALLOWED, f"{header}: {value[:100]!r} may not call; {what_to_do}"
    )
