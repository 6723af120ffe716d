"""Work on many items, where one bad item must not hold up the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import structlog

from serving.errors import Reason, ServiceError
from serving.monitoring import metrics

log = structlog.get_logger()


def stops_all(error: ServiceError) -> bool:
    """True if the other items would fail too: a service is away or busy, or its disk is full."""
    return error.reason.temporary or error.reason is Reason.STORAGE_FULL


@contextlib.contextmanager
def skip(name: str) -> Iterator[None]:
    """Logs the failure of one item and goes on, unless the failure stops all of them."""
    try:
        yield
    except ServiceError as error:
        if stops_all(error):
            raise
        metrics.RECONCILED.labels("left").inc()
        log.warning("reconcile.left", name=name, why=str(error))
