"""Work on many things, of which one must not keep back the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import structlog

from gateway.upstream import PASSING
from serving.errors import ServiceError

log = structlog.get_logger()


@contextlib.contextmanager
def one_of_many(name: str) -> Iterator[None]:
    """Leaves what can't be brought in order; only a service that is gone or busy ends the look."""
    try:
        yield
    except ServiceError as error:
        if error.code in PASSING:
            raise
        log.warning("reconcile.left", name=name, why=str(error))
