"""The state of the gateway and of the services behind it, each with its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from audiosearch.gateway.v1.system_status_pb2 import ServiceStatus

from gateway.access.keyring import Keyring
from gateway.upstream import Upstream
from serving.errors import ServiceError
from serving.monitoring import metrics
from serving.peers.peer import Peer

GATEWAY = "gateway"


class Health:
    """Checks everything that the gateway needs, and keeps the last result for quick answers."""

    def __init__(self, upstream: Upstream, keyring: Keyring) -> None:
        """Checks the services of `upstream` and the file of keys."""
        self._upstream = upstream
        self._keyring = keyring
        self._seen: dict[str, ServiceStatus] = {}

    @property
    def why_not(self) -> str | None:
        """The reason why the gateway does not serve; None while it does."""
        if GATEWAY not in self._seen:
            return "starting"
        return self._seen[GATEWAY].message or None

    def services(self) -> Sequence[ServiceStatus]:
        """The states at the last check, the gateway's first; unknown before the first check."""
        return [
            self._seen.get(name, ServiceStatus(service=name))
            for name in (GATEWAY, *self._upstream.peers)
        ]

    async def check(self) -> None:
        """Checks all of them.

        Raises:
            ServiceError: of the first that is missing. The gateway does not serve then.
        """
        found = await asyncio.gather(*map(_problem, self._upstream.peers.values()))
        for name, problem in zip(self._upstream.peers, found, strict=True):
            self._note(name, problem)
        missing = next(filter(None, (self._unreadable(), *found)), None)
        self._note(GATEWAY, missing)
        if missing:
            raise missing

    def _unreadable(self) -> ServiceError | None:
        """The problem with the file of keys, if any."""
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
        if name != GATEWAY:
            metrics.PEER_SERVING.labels(name).set(not problem)


async def _problem(peer: Peer) -> ServiceError | None:
    try:
        await peer.check()
    except ServiceError as error:
        return error
    return None
