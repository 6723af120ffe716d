"""A program behind the gateway: its channel, its health and the calls that it has not answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.contracts import Contract
from serving.errors import Reason, ServiceError, from_rpc_error
from serving.peers.silence import Silence
from serving.server import HEALTH_INTERVAL
from serving.telemetry import remaining

MARGIN = 0.05
"""Seconds of the caller's deadline that are kept for sending the answer."""

HEALTH_SECONDS = 2.0
_NO_ANSWER = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)
log = structlog.get_logger()


class OpenCall:
    """A call that is not over."""

    def __init__(self, call: Any) -> None:
        """Wraps a call of a generated stub."""
        self.call = call
        self.error: ServiceError | None = None
        """The reason why the gateway gave the call up; None if it did not."""

    def give_up(self, error: ServiceError) -> None:
        """Ends the call with `error`."""
        self.error = error
        self.call.cancel()


class Peer:
    """A program behind the gateway.

    One that hangs keeps its connection and answers nothing. Calls to it fail at once while that is
    known, also those that were under way. A program that is gone is no such case: its connection
    breaks. One that says NOT_SERVING is asked all the same, because it knows best what it still can
    do: its circuits answer at once while its store is gone.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        contracts: Sequence[Contract],
        unavailable: Reason,
        silence_seconds: float,
    ) -> None:
        """Takes a channel, the services there, the reason of absence, and how long is a hang."""
        self.channel = channel
        self._asked = contracts[0].name
        self._unavailable = unavailable
        self._silence = Silence(silence_seconds, HEALTH_SECONDS + HEALTH_INTERVAL)
        self._open: set[OpenCall] = set()
        self._closing: set[asyncio.Future[None]] = set()

    def renew(self, channel: grpc.aio.Channel, seconds: float) -> None:
        """Takes another channel for new calls. Those of the one before have so long to end."""
        before, self.channel = self.channel, channel
        closing = asyncio.ensure_future(before.close(seconds))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    @property
    def name(self) -> str:
        """`embedding`, `index` or `catalog`."""
        return str(self._unavailable.value).split("_")[0].lower()

    async def check(self) -> None:
        """Raises the peer's UNAVAILABLE error unless its health is SERVING.

        All services of a program have the same health. One is asked for by its name, so that
        another program at the peer's address is noticed.
        """
        try:
            answer = await health_pb2_grpc.HealthStub(self.channel).Check(
                health_pb2.HealthCheckRequest(service=self._asked), timeout=HEALTH_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                self._missed()
            raise ServiceError(
                self._unavailable, f"{self._asked} does not answer: {error.details()}"
            ) from error
        self.answered()
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise ServiceError(self._unavailable, f"{self._asked} is not serving")

    @contextlib.contextmanager
    def opened(self, begin: Callable[[], Any]) -> Iterator[OpenCall]:
        """The call that `begin` begins, for the block that waits for its answers.

        Raises:
            ServiceError: of the peer, or its UNAVAILABLE error.
        """
        if self._silence.hangs:
            raise self._hangs()
        opened = OpenCall(begin())
        self._open.add(opened)
        try:
            yield opened
        except grpc.aio.AioRpcError as error:
            raise self._translate(error) from error
        except asyncio.CancelledError:
            if opened.error and not _being_cancelled():
                raise opened.error from None
            raise
        finally:
            self._open.discard(opened)
            opened.call.cancel()

    def answered(self) -> None:
        """Notes a sign of life."""
        if self._silence.hangs:
            log.info("peer.answers", peer=self.name)
        self._silence.answered()

    def stalled(self, seconds: float) -> ServiceError:
        """The error for a stream on which the peer moves nothing."""
        return ServiceError(
            self._unavailable,
            f"the {self.name} service has moved nothing for {seconds:.0f} s; try again soon",
        )

    def _missed(self) -> None:
        known = self._silence.hangs
        self._silence.missed()
        if self._silence.hangs:
            if not known:
                log.warning("peer.hangs", peer=self.name, calls=len(self._open))
            for each in list(self._open):
                each.give_up(self._hangs())

    def _hangs(self) -> ServiceError:
        return ServiceError(
            self._unavailable, f"the {self.name} service hangs and answers nothing; try again soon"
        )

    def _translate(self, error: grpc.aio.AioRpcError) -> Exception:
        known = from_rpc_error(error)
        if known:
            self.answered()
        if known and known.reason is not Reason.DEADLINE_EXCEEDED:
            return known
        code, left = error.code(), remaining()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and left is not None and left <= 2 * MARGIN:
            return ServiceError(
                Reason.DEADLINE_EXCEEDED, "the call took longer than its deadline allows"
            )
        if code in _NO_ANSWER:
            return ServiceError(
                self._unavailable, f"the {self.name} service does not answer; try again soon"
            )
        return error


def _being_cancelled() -> bool:
    """True if this task itself is to end. Python 3.10 does not tell."""
    task = asyncio.current_task()
    cancelling: Callable[[], int] = getattr(task, "cancelling", int)
    return cancelling() > 0
