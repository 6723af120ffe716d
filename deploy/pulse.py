"""Health checks of a running service, by which its supervisor knows that it hangs."""

from __future__ import annotations

import time
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.peers.silence import Silence

CHECK_SECONDS = 5.0
"""Longest wait for the answer to one check."""

PAUSE_SECONDS = 1.0
_SILENT = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)


class Pulse:
    """Asks a service for its health again and again, without waiting for the answers.

    Any answer is one. NOT_SERVING says that a store or another service is away, which starting this
    one again would not help. A service that has not answered yet is still starting.
    """

    def __init__(self, channel: grpc.Channel, silence_seconds: float, *, started: bool) -> None:
        """Starts with the next look.

        Args:
            channel: to the service; `close` closes it.
            silence_seconds: the time without an answer that is a hang.
            started: True if the service has answered before.
        """
        self._channel = channel
        self._stub = health_pb2_grpc.HealthStub(channel)
        self._silence = Silence(silence_seconds, CHECK_SECONDS + PAUSE_SECONDS)
        self._asked: Any = None
        self._next = 0.0
        self._started = started

    def hangs(self) -> bool:
        """True if the service has answered nothing for too long. To be called often."""
        if self._asked is None:
            if time.monotonic() >= self._next:
                self._asked = self._stub.Check.future(
                    health_pb2.HealthCheckRequest(), timeout=CHECK_SECONDS, wait_for_ready=True
                )
        elif self._asked.done():
            if self._asked.code() not in _SILENT:
                self._started = True
                self._silence.answered()
            elif self._started:
                self._silence.missed()
            self._asked, self._next = None, time.monotonic() + PAUSE_SECONDS
        return self._silence.hangs

    def close(self) -> None:
        """Ends the checks."""
        self._channel.close()
