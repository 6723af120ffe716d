"""Ray on this machine, or a cluster of it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from serving.errors import Reason, ServiceError

_OBJECT_BYTES = 128 * 2**20
"""Memory of Ray on this machine for what workers hand on, which is numbers of shards alone."""
_TRIES = 3
"""Starts of Ray on this machine: it gives up one after 30 s, which a busy machine may need."""
_ANSWER_SECONDS = 10.0
"""Longest wait for somebody at the address of a cluster. Ray itself would wait for minutes."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, on this machine or connected to a cluster, without its reports to others.

    Args:
        address: of a cluster, such as `HOST:6379`, `ray://HOST:10001` or `auto`; empty to start Ray
            on this machine.

    Raises:
        ServiceError: EMBEDDING_UNAVAILABLE if nobody answers there, or Ray does not start here.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    _require_somebody(address)
    # Loaded here alone, for it takes seconds, and looks at the environment as it loads.
    import ray  # noqa: PLC0415
    import ray.data  # noqa: PLC0415

    _begin(ray, address)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        yield ray
    finally:
        ray.shutdown()


def _require_somebody(address: str) -> None:
    """Raises EMBEDDING_UNAVAILABLE if an address with a port leads to nobody."""
    try:
        place = urlsplit(address if "://" in address else f"//{address}")
        host, port = place.hostname, place.port
    except ValueError as error:
        raise _unavailable(f"{address} is no address of a Ray cluster ({error})") from error
    if not host or not port:
        return
    try:
        socket.create_connection((host, port), _ANSWER_SECONDS).close()
    except OSError as error:
        raise _unavailable(
            f"no Ray cluster answers at {address} ({error}): start one there with `ray start "
            "--head`, or leave out --ray to use this machine"
        ) from error


def _begin(ray: Any, address: str) -> None:
    own: dict[str, Any] = (
        {} if address else {"include_dashboard": False, "object_store_memory": _OBJECT_BYTES}
    )
    for left in reversed(range(1 if address else _TRIES)):
        try:
            ray.init(address or "local", logging_level=logging.ERROR, log_to_driver=False, **own)
        except Exception as error:  # Ray has no type of its own for this
            ray.shutdown()
            if not left:
                where = f"at {address}" if address else "on this machine, which may be too busy"
                raise _unavailable(f"Ray does not start {where} ({error}); try again") from error
        else:
            return


def _unavailable(message: str) -> ServiceError:
    return ServiceError(Reason.EMBEDDING_UNAVAILABLE, message)
