"""A circuit breaker: calls fail at once while the database is known not to answer."""

from __future__ import annotations

import math
import time

from serving.errors import Reason, ServiceError

SILENCE_SECONDS = 3.0


class Circuit:
    """Opens when the health check gets no answer, and closes with the next answer to any call.

    Without it each call would wait for as long as a statement may take. A database that is slow
    with work still answers other calls, so it is not taken for one that hangs.
    """

    def __init__(self) -> None:
        """Begins closed: calls pass."""
        self._answered = -math.inf
        self._open = False

    def answered(self) -> None:
        """Notes an answer."""
        self._answered = time.monotonic()
        self._open = False

    def missed(self) -> None:
        """Notes that the health check got no answer."""
        self._open = time.monotonic() - self._answered > SILENCE_SECONDS

    def require(self) -> None:
        """Raises CATALOG_UNAVAILABLE while the database does not answer."""
        if self._open:
            raise ServiceError(
                Reason.CATALOG_UNAVAILABLE, "the catalog's database does not answer; try again soon"
            )
