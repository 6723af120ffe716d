"""The connection to Milvus: opens at the first call, fails fast, and reconnects by itself."""

from __future__ import annotations

import errno
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
import structlog
from pymilvus import MilvusClient
from pymilvus.client.types import Status
from pymilvus.exceptions import ErrorCode, MilvusException, ParamError

from index_service.store import full, unavailable
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
_NO_SPACE = os.strerror(errno.ENOSPC)
_GONE = (grpc.StatusCode.UNAVAILABLE, Status.CONNECT_FAILED)


class NoCollectionError(Exception):
    """Milvus has no collection of this name."""


class TakenError(Exception):
    """Another collection has the alias."""


class NotLoadedError(Exception):
    """The collection exists, but is not loaded into memory."""


def quiet() -> None:
    """Sends pymilvus' log lines to the service's log, and drops those that repeat an exception.

    Pymilvus also raises every error that it logs, for example a missing collection.
    """
    for name in ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.CRITICAL)
    logging.getLogger("milvus_lite").setLevel(logging.WARNING)


class Connection:
    """Calls Milvus and turns its failures into a few errors.

    Once the store is known to be gone, all calls fail at once. A `probe` that succeeds ends this.
    """

    def __init__(self, uri: str, token: str, seconds: float | None, name: str = "") -> None:
        """Takes the address. The first call connects.

        Args:
            uri: Address of Milvus.
            token: Token, or user and password with a colon between; empty for none.
            seconds: Longest wait for one answer, shorter if the deadline of the call is nearer.
                None waits 600 s, for a store in this process: giving up would not stop its work.
            name: Its name in errors; without one it is named by its address.
        """
        self._name = name or f"Milvus at {uri}"
        self._uri, self._token, self._seconds = uri, token, seconds
        self._client: Any = None
        self._connecting = threading.Lock()
        self._gone = ""
        self._answered = -math.inf

    def call(self, use: Callable[[Any, float], T], seconds: float | None = None) -> T:
        """Returns `use(client, timeout)`.

        Args:
            use: The command.
            seconds: Longest wait of this command, instead of the connection's.

        Raises:
            NoCollectionError, NotLoadedError, TakenError: Milvus answers so.
            ServiceError: INDEX_UNAVAILABLE, for all failures that may pass; STORAGE_FULL.
        """
        if error := self.lost():
            raise error
        try:
            return self._guarded(use, self._left(seconds or self._seconds), probing=False)
        except ServiceError as error:
            log.warning("store.failed", cause=str(error.__cause__))
            raise

    def probe(self) -> None:
        """Checks that the store answers, also when it is known to be gone.

        A recent answer to any other call counts too: a store that is slow under load is not gone.

        Raises:
            ServiceError: INDEX_UNAVAILABLE.
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
        """Returns the error of all calls while Milvus is known to be gone, else None."""
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
                if self._gone and not probing:  # another call noticed during the wait for the lock
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
            mistake: Exception = error  # a fault of this code, not of the store
            return mistake
        code = error.code() if isinstance(error, grpc.RpcError) else getattr(error, "code", None)
        if code in (ErrorCode.COLLECTION_NOT_FOUND, _ALIAS_NOT_FOUND):
            return NoCollectionError()
        if code in _ALIAS_TAKEN:
            return TakenError()
        if code == _NOT_LOADED:
            return NotLoadedError()
        if code in _GONE:
            self._gone = f"{self._name} does not answer"
            return unavailable(self._gone)
        return (
            full()
            if _NO_SPACE in str(error)
            else unavailable(f"{self._name} failed or was too slow")
        )
