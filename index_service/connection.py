"""The connection to Milvus: made late, given up fast, found again by itself."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
import structlog
from pymilvus import MilvusClient
from pymilvus.client.types import Status
from pymilvus.exceptions import ErrorCode, MilvusException, ParamError

from index_service.store import unavailable
from serving.errors import ServiceError
from serving.telemetry import remaining

T = TypeVar("T")
log = structlog.get_logger()

CONNECT_SECONDS = 2.0
_SILENCE_SECONDS = 5.0
_NOT_LOADED = 101
_ALIAS_NOT_FOUND = 1600
_ALIAS_TAKEN = (1601, 1602)
_RECONNECT = {"grpc.initial_reconnect_backoff_ms": 500, "grpc.max_reconnect_backoff_ms": 2000}
_GONE = (grpc.StatusCode.UNAVAILABLE, Status.CONNECT_FAILED)


class NoCollectionError(Exception):
    """Milvus has no collection of the name."""


class TakenError(Exception):
    """Another collection has the alias."""


class NotLoadedError(Exception):
    """The collection is there, but not in memory."""


def quiet() -> None:
    """Sends pymilvus' log lines where all others go, and only those that nothing else tells.

    What it logs as errors it raises as well, missing collections among them.
    """
    for name in ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.CRITICAL)
    logging.getLogger("milvus_lite").setLevel(logging.WARNING)


class Connection:
    """Calls Milvus and turns its failures into few kinds.

    While the store is known to be gone, calls fail at once; a `probe` that succeeds lets them
    through again.
    """

    def __init__(self, uri: str, token: str, seconds: float | None) -> None:
        """Connects to nothing yet.

        Args:
            uri: address of Milvus.
            token: token, or user and password with a colon between; empty for none.
            seconds: longest wait for one answer, shorter when the call's deadline is nearer. None
                waits for the end, for a store in this process, where giving up stops nothing.
        """
        self._uri, self._token, self._seconds = uri, token, seconds
        self._client: Any = None
        self._connecting = threading.Lock()
        self._gone = ""
        self._answered = -math.inf

    def call(self, use: Callable[[Any, float], T], seconds: float | None = None) -> T:
        """Returns `use(client, timeout)`.

        Args:
            use: the command.
            seconds: longest wait, where another one than for most commands is needed.

        Raises:
            NoCollectionError, NotLoadedError, TakenError: Milvus says so.
            ServiceError: INDEX_UNAVAILABLE, for all that waiting may mend.
        """
        if error := self.lost():
            raise error
        try:
            return self._guarded(use, self._left(seconds or self._seconds), probing=False)
        except ServiceError as error:
            log.warning("store.failed", cause=str(error.__cause__))
            raise

    def probe(self) -> None:
        """Asks for a sign of life, also when the store is known to be gone.

        An answer to any call not long ago is one too: a store that is slow with work is not gone.
        """
        try:
            self._guarded(
                lambda client, timeout: client.has_collection("audiosearch", timeout=timeout),
                CONNECT_SECONDS,
                probing=True,
            )
        except ServiceError as error:
            if not self._gone and time.monotonic() - self._answered < _SILENCE_SECONDS:
                return
            self._gone = error.message.removesuffix("; try again later")
            raise
        self._gone = ""

    def lost(self) -> ServiceError | None:
        """The error of all calls while Milvus is known to be gone."""
        gone = self._gone
        return unavailable(gone) if gone else None

    def close(self) -> None:
        """Closes the connection."""
        with self._connecting:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _left(self, seconds: float | None) -> float:
        if self._seconds is None or seconds is None:
            return 600.0
        left = remaining()
        left = seconds if left is None else min(left, seconds)
        if left <= 0:
            raise unavailable("the store had no time left to answer")
        return left

    def _guarded(self, use: Callable[[Any, float], T], timeout: float, *, probing: bool) -> T:
        try:
            answer = use(self._connected(probing=probing), timeout)
        except (MilvusException, grpc.RpcError) as error:
            raise self._translated(error) from error
        self._answered = time.monotonic()
        return answer

    def _connected(self, *, probing: bool) -> Any:
        if self._client is None:
            with self._connecting:
                if self._gone and not probing:  # found out while this one waited for the lock
                    raise unavailable(self._gone)
                if self._client is None:
                    self._client = MilvusClient(
                        self._uri,
                        token=self._token,
                        dedicated=True,
                        timeout=CONNECT_SECONDS,
                        grpc_options=_RECONNECT,
                    )
        return self._client

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, ParamError):
            mistake: Exception = error  # of this code, not of the store
            return mistake
        code = error.code() if isinstance(error, grpc.RpcError) else getattr(error, "code", None)
        if code in (ErrorCode.COLLECTION_NOT_FOUND, _ALIAS_NOT_FOUND):
            return NoCollectionError()
        if code in _ALIAS_TAKEN:
            return TakenError()
        if code == _NOT_LOADED:
            return NotLoadedError()
        if code in _GONE:
            self._gone = f"Milvus at {self._uri} does not answer"
            return unavailable(self._gone)
        return unavailable(f"Milvus at {self._uri} failed or was too slow")
