"""How the gateway and the services behind it are, and since when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from audiosearch.gateway.v1.system_status_pb2 import ServiceStatus

from gateway.access.keyring import Keyring
from gateway.upstream import Peer, Upstream
from serving.errors import ServiceError

GATEWAY = "gateway"


class Health:
    """Looks at all that the gateway needs, and remembers what it saw for who can not wait."""

    def __init__(self, upstream: Upstream, keyring: Keyring) -> None:
        """Watches the services of `upstream`, and whether the gateway can read its keys."""
        self._upstream = upstream
        self._keyring = keyring
        self._seen: dict[str, ServiceStatus] = {}

    @property
    def why_not(self) -> str | None:
        """Why the gateway does not serve; None while it does."""
        if GATEWAY not in self._seen:
            return "starting"
        return self._seen[GATEWAY].message or None

    def services(self) -> Sequence[ServiceStatus]:
        """As they were at the last look, the gateway first; unknown before the first one."""
        return [
            self._seen.get(name, ServiceStatus(service=name))
            for name in (GATEWAY, *self._upstream.peers)
        ]

    async def check(self) -> None:
        """Looks at all of them.

        Raises:
            ServiceError: of the first that is missing: then the gateway does not serve.
        """
        found = await asyncio.gather(*map(_problem, self._upstream.peers.values()))
        for name, problem in zip(self._upstream.peers, found, strict=True):
            self._note(name, problem)
        missing = next(filter(None, (self._unreadable(), *found)), None)
        self._note(GATEWAY, missing)
        if missing:
            raise missing

    def _unreadable(self) -> ServiceError | None:
        """What is wrong with the file of keys."""
        try:
            self._keyring.check()
        except ServiceError as error:
            return error
        return None

    def _note(self, name: str, problem: ServiceError | None) -> None:
        state = ServiceStatus.STATE_NOT_SERVING if problem else ServiceStatus.STATE_SERVING
        now = ServiceStatus(service=name, state=state)
        before = self._seen.get(name)
        if before and before.state == state:
            now.since_time.CopyFrom(before.since_time)
        else:
            now.since_time.GetCurrentTime()
        if problem:
            now.reason, now.message = problem.reason.value, problem.message
        self._seen[name] = now


async def _problem(peer: Peer) -> ServiceError | None:
    try:
        await peer.check()
    except ServiceError as error:
        return error
    return None
